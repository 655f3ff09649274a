"""Say who the first face without a name is: python3 correct.py IMAGE "Grace Hopper"
With a third word, such as undo, the correction is undone again."""
import sys

import rollcall

image = rollcall.call("GET", "/api/v1/images/" + sys.argv[1])
face = next((face for face in image["faces"] if not face["person"]), None)
if not face:
    sys.exit("every face of the image has a name")
try:
    done = rollcall.call("POST", "/api/v1/faces/%d/person" % face["id"], {"name": sys.argv[2]}, version=image["version"])
except rollcall.Refused as refused:
    if refused.code != "stale":
        raise
    sys.exit("somebody has changed the image meanwhile: look at it again")
print("face", face["id"], "is", done["face"]["person"]["name"])
if len(sys.argv) > 3:
    correction = done["correction"]["id"]
    done = rollcall.call("DELETE", "/api/v1/corrections/%d" % correction, version=done["version"])
    print("undone: the image is", done["image"]["reason"])
