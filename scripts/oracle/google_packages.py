"""Google: the official protobufs take the body strictly, and the official formatter makes the same of the person; each difference is named."""

from datetime import datetime, timezone

from google.ads.datamanager_util import Encoding, Formatter
from google.ads.datamanager_v1 import IngestEventsRequest
from google.ads.googleads.v26.services.types import conversion_upload_service
from google.protobuf import json_format

from phones import country_of, digest, e164, is_hash, listed, unique

FORMATTER = Formatter()


def official(process, text):
    try:
        return process(text, Encoding.HEX)
    except ValueError:
        return None


def emails(event, found):
    values = listed(event["user"].get("email"))
    return unique(text.lower() if is_hash(text) else official(FORMATTER.process_email_address, text) for text in values)


def phones(event, found):
    hashes = []
    for text in listed(event["user"].get("phone")):
        if is_hash(text):
            hashes.append(text.lower())
            continue
        theirs, number = official(FORMATTER.process_phone_number, text), e164(text, country_of(event))
        number = number if number and 8 <= len(number) - 1 <= 15 else None
        ours = digest(number) if number else None
        if ours != theirs:
            found("google.phone.no_number" if number is None else "google.phone.trunk_zero" if "(0)" in text else "google.phone.country_code")
        hashes.append(ours)
    return unique(hashes)


def address(event):
    user = event["user"]
    fields = [user.get(key) for key in ("first_name", "last_name", "country", "postal_code")]
    if not all(fields) or len(fields[2].strip()) != 2:
        return []
    given, family, region, postal = fields
    return [{"address": {
        "givenName": FORMATTER.process_given_name(given, Encoding.HEX), "familyName": FORMATTER.process_family_name(family, Encoding.HEX),
        "regionCode": FORMATTER.process_region_code(region), "postalCode": FORMATTER.process_postal_code(postal),
    }}]


def strictly(message, body, found, platform):
    """The official message with the body in it; a field that it does not know, or of another type, is an error."""
    try:
        parsed = json_format.ParseDict(body, message.pb()(), ignore_unknown_fields=False)
    except json_format.ParseError as error:
        return found(f"{platform}.body.unlisted", {"error": str(error), "body": body})
    again = json_format.MessageToDict(parsed)
    if count(again) != count(body):
        found(f"{platform}.body.unlisted", {"sent": body, "read": again})


def count(value):
    """How many values there are; int64 comes back as text and a default is no value, so they are only counted where they are not zero."""
    if isinstance(value, dict):
        return sum(count(inner) for inner in value.values())
    if isinstance(value, list):
        return sum(count(inner) for inner in value)
    return 1


def check(event, request, found):
    body = request["body"]
    if "conversions" in body:
        check_upload(event, body, found)
    else:
        check_ingest(event, body, found)


def check_ingest(event, body, found):
    strictly(IngestEventsRequest, body, found, "google.data_manager")
    [sent] = body["events"]
    expected = [{"emailAddress": value} for value in emails(event, found)]
    expected += [{"phoneNumber": value} for value in phones(event, found)] + address(event)
    compare(sent.get("userData", {}).get("userIdentifiers", []), expected[:10], "google.user_identifiers.unlisted", event, found)
    time = conversion_time(event)
    compare(sent["eventTimestamp"], time.isoformat().replace("+00:00", "Z"), "google.event_timestamp.unlisted", event, found)
    compare(body.get("encoding"), "HEX" if expected else None, "google.encoding.unlisted", event, found)


def check_upload(event, body, found):
    strictly(conversion_upload_service.UploadClickConversionsRequest, body, found, "google.ads_api")
    [sent] = body["conversions"]
    expected = [{"hashedEmail": value} for value in emails(event, found)] + [{"hashedPhoneNumber": value} for value in phones(event, found)]
    expected = [one | {"userIdentifierSource": "FIRST_PARTY"} for one in expected[:5]]
    if "gclid" not in sent and expected:
        found("google.ads_api.braid_without_person")
        expected = []
    compare(sent.get("userIdentifiers", []), expected, "google.ads_api.user_identifiers.unlisted", event, found)
    time = conversion_time(event).strftime("%Y-%m-%d %H:%M:%S+00:00")
    compare(sent["conversionDateTime"], time, "google.ads_api.conversion_date_time.unlisted", event, found)


def conversion_time(event):
    return datetime.fromtimestamp(event["event_time"], timezone.utc)


def compare(sent, expected, name, event, found):
    if sent != expected:
        found(name, {"sent": sent, "official": expected, "event": event})
