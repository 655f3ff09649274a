"""Upload files, and wait for the answers: python3 upload.py photo.jpg …"""
import sys

import rollcall

body, kind = rollcall.form(sys.argv[1:])
answer = rollcall.call("POST", "/api/v1/images", body, kind)
for name, entry in zip(sys.argv[1:], answer["images"]):  # in the order sent
    if "error" in entry:
        print(name, "was refused:", entry["error"]["message"])
        continue
    image = rollcall.await_answer(entry["id"])
    print(name, image["reason"], rollcall.names(image["faces"]))
