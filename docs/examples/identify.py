"""Ask who is in a picture. Nothing is stored: python3 identify.py photo.jpg"""
import sys

import rollcall

with open(sys.argv[1], "rb") as file:
    seen = rollcall.call("POST", "/api/v1/identify", file.read())
for face in seen["faces"]:
    who = face["person"]["name"] if face["person"] else "nobody known"
    print(who, face["reason"], face["box"])
