#!/usr/bin/env python3
"""Writes funnel events of made-up people, one a line, of the day before NOW; the same ones for the same seed."""

import argparse
import hashlib
import json
import random

import phonenumbers

# 2026-11-21T19:40:00Z
NOW = 1_795_290_000
FIRST = ["Mary", " Mary Ann", "Valéry", "정", "JOSÉ", "Anne-Marie", "O'Neil", "Łukasz", "İpek", "Jean Luc", "Mrs. Jane", "ÅSE"]
LAST = ["Smith", "O'Brien ", "García-López", "Müller", "van der Berg", "Straße", "St. John", "Nguyễn", "李", "McDonald Jr."]
CITIES = ["San Francisco", "São Paulo", "St. Louis", "New York", "Târgu Mureș", "'s-Hertogenbosch", "Winston-Salem", "Paris 15", "東京", "Berlin"]
PLACES = {
    "US": (["California", "CA", " C.A. ", "New York", "ny"], ["94035-1234", "94035", "940351234", "10001"]),
    "GB": (["England", "Greater London"], ["M1 1AE", "sw1a 1aa", "EC1A1BB"]),
    "CA": (["Ontario", "Québec", "BC"], ["M5V 3L9", "h2x1y4"]),
    "BR": (["Bahia", "São Paulo", "SP"], ["01310-100", "01310100"]),
    "DE": (["Bayern", "Baden-Württemberg"], ["10115", "80331"]),
    "PT": (["Lisboa"], ["1229-076", "1000-001"]),
    "IN": (["Kerala", "MH"], ["400001"]),
    "AR": (["Buenos Aires"], ["C1002AAP", "1002"]),
}
COUNTRY_SPELLINGS = {"GB": ["GB", "gb", "UK"], "US": ["US", " us ", "Us"]}
NAMES = ["Purchase", "Lead", "AddToCart", "Subscribe"]
SOURCES = ["website", "website", "website", "phone_call", "physical_store", "system_generated", "email", "chat", "other"]


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def email(chance, number):
    name = chance.choice(["john.smith", "J.Doe+shop", "anna_b", "müller", "x", "first.last"]) + str(number % 977)
    domain = chance.choice(["gmail.com", "googlemail.com", "Example.com", "mail.example.co.uk", "example.org"])
    good = f"{name}@{domain}"
    return chance.choice([
        good, good, good, good.upper(), f"  {good} ", f"{good}\n", digest(good.lower()), digest(good).upper(),
        hashlib.md5(good.encode()).hexdigest(), "not-an-email", f"{name} x@{domain}", f"{name}@home@{domain}", f"@{domain}", f"{name}@", "",
    ])


def phone(chance):
    region = chance.choice(list(PLACES))
    kind = chance.choice([phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE])
    number = phonenumbers.example_number_for_type(region, kind)
    national = str(number.national_number)
    number.national_number = int(national[:-4] + f"{chance.randrange(10_000):04}")
    form = lambda form: phonenumbers.format_number(number, form)
    e164 = form(phonenumbers.PhoneNumberFormat.E164)
    international = form(phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return chance.choice([
        e164, e164, e164[1:], international, international.replace(" ", "."), international.replace(" ", "-"), "00" + e164[1:],
        form(phonenumbers.PhoneNumberFormat.NATIONAL), f"+{number.country_code} (0) {number.national_number}", digest(e164[1:]), digest(e164),
        f" {international}  ", "12345", "+1", "call me", "", "+999999999999",
    ])


def user(chance, number):
    country = chance.choice(list(PLACES))
    states, postal_codes = PLACES[country]
    many = lambda make: [make() for _ in range(chance.choice([1, 1, 1, 2, 3]))]
    fields = {
        "email": many(lambda: email(chance, number)),
        "phone": many(lambda: phone(chance)),
        "external_id": chance.choice([f"User-{number}", f" u {number}", [str(number), f"U{number}"], digest(str(number))]),
        "first_name": chance.choice(FIRST),
        "last_name": chance.choice(LAST),
        "city": chance.choice(CITIES),
        "state": chance.choice(states),
        "postal_code": chance.choice(postal_codes),
        "country": chance.choice(COUNTRY_SPELLINGS.get(country, [country]) + ["Narnia"] * (number % 20 == 0)),
        "date_of_birth": chance.choice(["1997-02-16", "19970216", "2/3/1997"]),
        "gender": chance.choice(["m", "f", "M", "F", "x"]),
        "ip": chance.choice(["203.0.113.7", "2001:db8::1"]),
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
    }
    return {key: value for key, value in fields.items() if chance.random() < 0.8}


def contents(chance):
    def item(index):
        fields = {"id": f"sku-{index}", "quantity": chance.randrange(1, 9), "price": round(chance.random() * 500, 2), "name": "Shoe", "brand": "ACME", "category": "Shoes"}
        return {key: value for key, value in fields.items() if key == "id" or chance.random() < 0.7}

    return [item(index) for index in range(chance.choice([0, 0, 1, 3]))]


def event(chance, number):
    name, source = chance.choice(NAMES), chance.choice(SOURCES)
    person = user(chance, number)
    made = {
        "event_id": f"e{number}", "client_id": chance.choice(["nowhere", "german"]), "event_name": name, "event_time": NOW - chance.randrange(3_600, 86_400),
        "action_source": source, "source_url": "https://shop.example/thanks", "user": person, "contents": contents(chance),
        "click": {chance.choice(["gclid", "gclid", "gbraid", "wbraid"]): f"Cj0K_{number}-x", "ttclid": f"E.C.P.{number}", "fbclid": f"IwAR{number}_-x"},
    }
    if chance.random() < 0.3:
        made["click"]["ctwa_clid"] = f"ARA{number}"
    if name in ("Purchase", "Subscribe") or chance.random() < 0.5:
        made |= {"value": chance.choice([0, 12, 129.9, 1499.0, 25000]), "currency": chance.choice(["EUR", "usd", "INR", "JPY", "uyu"])}
    if chance.random() < 0.5:
        made["order_id"] = str(10_000 + number)
    if chance.random() < 0.3:
        made["referrer_url"] = "https://search.example/"
    if chance.random() < 0.4:
        made["consent"] = {"ad_user_data": "granted", "ad_personalization": chance.choice(["granted", "denied"])}
    if chance.random() < 0.3:
        made.setdefault("consent", {})["limited_data_use"] = chance.random() < 0.5
    if chance.random() < 0.3:
        made["custom"] = chance.choice([
            {"search_string": "red shoes", "content_name": "Shoes", "predicted_ltv": 10.5, "tier": "gold"},
            {"merchant_id": "4711", "merchant_feed_label": "DE", "merchant_feed_language": "de", "customer_type": "NEW", "customer_value_bucket": "HIGH"},
        ])
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--events", type=int, default=5_000)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    for number in range(arguments.events):
        print(json.dumps(event(chance, number), ensure_ascii=False))


if __name__ == "__main__":
    main()
