"""TikTok has no official package for the Events API; its phone numbers are libphonenumber's, hashed with their plus sign."""

from phones import country_of, digest, e164, is_hash, listed, unique


def check(event, request, found):
    [sent] = request["body"]["data"]
    hashes = []
    for text in listed(event["user"].get("phone")):
        if is_hash(text):
            found("tiktok.phone.hashed")
            continue
        number = e164(text, country_of(event))
        hashes.append(digest(number) if number else None)
    expected = unique(hashes)
    phone = sent["user"].get("phone", [])
    phone = [phone] if isinstance(phone, str) else phone
    if phone != expected:
        found("tiktok.phone.unlisted", {"sent": phone, "expected": expected, "event": event})
