"""Make somebody known by pictures: python3 enrol.py "Ada Lovelace" ada.jpg …"""
import sys

import rollcall

name, pictures = sys.argv[1], sys.argv[2:]
found = rollcall.call("GET", "/api/v1/people", name=name, hidden="all")["people"]
person = found[0] if found else rollcall.call("POST", "/api/v1/people", {"name": name})
for picture in pictures:
    with open(picture, "rb") as file:
        content = file.read()
    try:
        added = rollcall.call("POST", "/api/v1/people/%d/known-pictures" % person["id"], content)
        print(picture, "is known picture", added["known_picture"]["id"], "of", person["name"])
    except rollcall.Refused as refused:  # it would do harm; each reason says how
        reasons = [reason["reason"] for reason in refused.error.get("refusals", [])]
        print(picture, "was refused:", refused, reasons)
