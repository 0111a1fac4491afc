"""Meta: the official Business SDK normalises the same event; each difference is named."""

import re
import string

from facebook_business.adobjects.serverside.action_source import ActionSource
from facebook_business.adobjects.serverside.content import Content
from facebook_business.adobjects.serverside.custom_data import CustomData
from facebook_business.adobjects.serverside.event import Event
from facebook_business.adobjects.serverside.gender import Gender
from facebook_business.adobjects.serverside.messaging_channel import MessagingChannel
from facebook_business.adobjects.serverside.normalize import Normalize
from facebook_business.adobjects.serverside.user_data import UserData

from phones import country_of, digest, e164, is_hash, listed, unique

FIELDS = {
    "em": "email", "ph": "phone", "fn": "first_name", "ln": "last_name", "db": "date_of_birth", "ge": "gender", "ct": "city", "st": "state",
    "zp": "postal_code", "country": "country", "external_id": "external_id",
}
STATES = {
    "US": {"california": "ca", "newyork": "ny"},
    "CA": {"ontario": "on", "québec": "qc"},
}


def sdk(key, text):
    """What the Business SDK makes of one value; None where it refuses it."""
    if key == "external_id":
        return text
    if key == "ge" and text.lower() not in ("m", "f"):
        return None
    try:
        return Normalize.normalize_field(key, text)
    except (TypeError, ValueError):
        return None


def letters(text):
    return "".join(c for c in text.lower() if not c.isspace() and c not in string.punctuation)


def rules(key, text, event):
    """Where the relay does otherwise than the SDK: the name of the difference and what the relay sends instead."""
    lower, country = text.lower(), country_of(event)
    country = "GB" if country == "UK" else country
    if is_hash(text) and key != "external_id":
        return
    if re.fullmatch(r"[0-9a-f]{32}", lower) and key == "em":
        yield "meta.em.md5", None
    if key == "em" and (re.search(r"\s", lower) or lower.count("@") != 1):
        yield "meta.em.malformed", None
    if key == "ph":
        number = e164(text, country)
        sent = digest(number[1:]) if number else None
        digits = re.sub(r"\D", "", text)
        if number is None:
            yield "meta.ph.no_number", None
        elif "(0)" in text:
            yield "meta.ph.trunk_zero", sent
        elif sdk(key, text) is None and text.lstrip().startswith(("+", "00")):
            yield "meta.ph.separators", sent
        elif not digits.endswith(number[1:]):
            yield "meta.ph.country_code", sent
    if key in ("fn", "ln"):
        yield "meta.names.punctuation", digest(letters(text))
    if key == "db" and "-" in text:
        yield "meta.db.iso", digest(text.replace("-", ""))
    if key == "db" and "/" in text:
        yield "meta.db.ambiguous", None
    if key == "ct":
        yield ("meta.ct.digits" if re.search(r"\d", text) else "meta.ct.punctuation"), digest(letters(text))
    if key == "st":
        state = STATES.get(country, {}).get(letters(text)) if country else (STATES["US"] | STATES["CA"]).get(letters(text))
        if state:
            yield "meta.st.letters", digest(state)
    if key == "zp" and country == "US":
        yield "meta.zp.five_digits", digest(re.sub(r"\s", "", lower).split("-")[0][:5])
    if key == "country" and lower == "uk":
        yield "meta.country.uk", digest("gb")
    if key == "external_id":
        yield "meta.external_id.hashed", lower if is_hash(text) else digest("".join(lower.split()))


def check_person(event, sent, found):
    for key, field in FIELDS.items():
        expected = []
        for text in listed(event["user"].get(field)):
            theirs = sdk(key, text)
            named = next(((name, ours) for name, ours in rules(key, text, event) if ours != theirs), None)
            if named:
                found(named[0])
            expected.append(named[1] if named else theirs)
        if sent.get(key, []) != unique(expected):
            found(f"meta.{key}.unlisted", event)


def custom_data(event, sent):
    contents = [
        Content(product_id=item["id"], quantity=item.get("quantity", 1), item_price=item.get("price"), title=item.get("name"), brand=item.get("brand"), category=item.get("category"))
        for item in event["contents"]
    ]
    standard = ("content_name", "search_string", "predicted_ltv")
    custom = event.get("custom", {})
    data = CustomData(
        value=event.get("value"), currency=event.get("currency"), order_id=event.get("order_id"), contents=contents or None,
        content_ids=[item["id"] for item in event["contents"]] or None, content_type="product" if contents else None,
        num_items=sum(item.get("quantity", 1) for item in event["contents"]) or None, **{key: custom[key] for key in standard if key in custom},
        custom_properties={key: value for key, value in custom.items() if key not in standard},
    )
    return data.normalize()


def check(event, request, found):
    [sent] = request["body"]["data"]
    dataset = "messaging_channel" in sent
    user = dict(sent["user_data"])
    if user.pop("whatsapp_business_account_id", None):
        found("meta.whatsapp_business_account_id.unknown")
    check_person(event, user, found)
    if any("quantity" not in item for item in event["contents"]):
        found("meta.contents.quantity")
    names = {"Lead": "LeadSubmitted", "Subscribe": "Purchase"} if dataset else {}
    consent = event.get("consent", {})
    limited = consent.get("limited_data_use")
    click, seen = event["click"], event["event_time"] * 1_000
    plain = UserData(ctwa_clid=click["ctwa_clid"]) if dataset else UserData(
        client_ip_address=event["user"].get("ip"), client_user_agent=event["user"].get("user_agent"), fbc=f"fb.1.{seen}.{click['fbclid']}")
    official = Event(
        event_name=names.get(event["event_name"], event["event_name"]), event_time=event["event_time"], event_id=event["event_id"],
        event_source_url=None if dataset else event["source_url"], referrer_url=None if dataset else event.get("referrer_url"),
        action_source=ActionSource("business_messaging" if dataset else event["action_source"]),
        messaging_channel=MessagingChannel.WHATSAPP if dataset else None, opt_out=True if consent.get("ad_personalization") == "denied" else None,
        data_processing_options=["LDU"] if limited else [] if limited is False else None, data_processing_options_country=0 if limited else None,
        data_processing_options_state=0 if limited else None, user_data=plain,
    ).normalize()
    expected = official | ({"custom_data": data} if (data := custom_data(event, sent)) else {})
    if currency := expected.get("custom_data", {}).get("currency"):
        found("meta.currency.upper_case")
        expected["custom_data"]["currency"] = currency.upper()
    sent = sent | {"user_data": {key: value for key, value in user.items() if key not in FIELDS}}
    for key in sorted(set(sent) | set(expected)):
        if sent.get(key) != expected.get(key):
            found(f"meta.{key}.unlisted", {"sent": sent.get(key), "official": expected.get(key), "event": event})
