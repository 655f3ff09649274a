"""Decide what Rollcall is not sure about: python3 review.py, and answer with y, n or Return"""
import rollcall


def images(reason):
    """Return the images with a reason, page after page."""
    after = 0
    while after is not None:
        page = rollcall.call("GET", "/api/v1/images", reason=reason, after=after)
        yield from page["images"]
        after = page["next"]


for reason in ("uncertain", "unknown_person"):
    for entry in images(reason):
        image = rollcall.call("GET", "/api/v1/images/%d" % entry["id"])
        for face in image["faces"]:
            best = face["best"]
            if face["person"] or not best:
                continue
            question = "%s, face %d: is this %s (distance %.2f)? " % (image["path"], face["id"], best["person"]["name"], best["distance"])
            answer = input(question)
            who = {"person_id": best["person"]["id"]}
            if answer == "y":
                done = rollcall.call("POST", "/api/v1/faces/%d/person" % face["id"], who, version=image["version"])
            elif answer == "n":
                done = rollcall.call("POST", "/api/v1/faces/%d/not-person" % face["id"], who, version=image["version"])
            else:
                continue
            image["version"] = done["version"]
            print("it is", done["image"]["reason"])
