#!/usr/bin/env python3
"""Holds what `conversion-relay explain --json` would send against the platforms' own packages.

Standard input: one line an event, {"event_id", "results": [{"account", "platform", "request" | "not_sent"}]}. Every difference must stand in
the table of docs/FIDELITY.md, and every one that stands there must occur.
"""

import argparse
import collections
import json
import logging
import re
import sys

import google_packages
import meta
import tiktok

PLATFORMS = {"meta": meta, "google": google_packages, "tiktok": tiktok}


def listed(path):
    """The names in the first column of the table of differences."""
    with open(path, encoding="utf-8") as page:
        return set(re.findall(r"^\| `((?:meta|google|tiktok)\.[a-z0-9_.]+)` \|", page.read(), re.MULTILINE))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", help="the events that were explained, one a line")
    parser.add_argument("fidelity", help="docs/FIDELITY.md")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with open(arguments.events, encoding="utf-8") as lines:
        events = {event["event_id"]: event for event in map(json.loads, lines)}
    known, seen, examples, requests = listed(arguments.fidelity), collections.Counter(), {}, collections.Counter()

    def found(name, example=None):
        seen[name] += 1
        examples.setdefault(name, example)

    for line in map(json.loads, sys.stdin):
        if "error" in line:
            found("relay.event.unlisted", line)
        for result in line.get("results", []):
            if "request" in result:
                requests[result["platform"]] += 1
                PLATFORMS[result["platform"]].check(events[line["event_id"]], result["request"], found)
    for platform in PLATFORMS:
        print(f"{platform}: {requests[platform]} requests")
    for name, times in sorted(seen.items()):
        print(f"  {'listed  ' if name in known else 'UNLISTED'} {name}: {times}")
        if name not in known:
            print(f"    {json.dumps(examples[name], ensure_ascii=False)[:2_000]}")
    stale = sorted(known - set(seen))
    for name in stale:
        print(f"  NO LONGER {name}: listed in docs/FIDELITY.md, and does not occur")
    silent = [platform for platform in PLATFORMS if not requests[platform]]
    if silent:
        print(f"nothing was compared for {', '.join(silent)}")
    sys.exit(1 if stale or silent or set(seen) - known else 0)


if __name__ == "__main__":
    main()
