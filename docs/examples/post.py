"""Post the path of a picture, and wait for the answer: python3 post.py unknown0001.jpg"""
import sys

import rollcall

posted = rollcall.call("POST", "/image/post", {"path": sys.argv[1]})
image = rollcall.await_answer(posted["id"])
print(image["path"], image["status"], image["reason"], rollcall.names(image["faces"]))
