"""Phone numbers by Google's own library, and what the relay makes of every other value before it looks at a platform."""

import hashlib
import re

import phonenumbers

COUNTRIES = {"nowhere": None, "german": "DE"}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def is_hash(text):
    return re.fullmatch(r"[0-9a-f]{64}", text.strip().lower()) is not None


def country_of(event):
    """The person's own country, else the client's."""
    own = event["user"].get("country", "").strip().upper()
    return own if re.fullmatch(r"[A-Z]{2}", own) else COUNTRIES[event["client_id"]]


def e164(text, country):
    """The number by libphonenumber, or None; a leading 00 is a plus where that gives a valid number, and so is +00."""
    text = text.strip()
    if text.startswith("00"):
        number = parsed("+" + text[2:], None)
        if number and phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    number = parsed(text, country)
    if number is None or not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def parsed(text, country):
    try:
        return phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None


def listed(value):
    """The values of a field that takes one or many, without blank ones."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [text.strip() for text in values if text.strip()]


def unique(values):
    return list(dict.fromkeys(value for value in values if value is not None))
