"""drive.py PORT KEY: the published Python SDKs against a running standalone. The
working directory has the sample pictures. The last calls delete everybody."""
import asyncio
import base64
import sys
import time

from compare import CompareFace
from compreface import CompreFace

port, key = sys.argv[1:]
NO_FACE = {"message": "No face is found in the given image", "code": 28}


def until(what, ok):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if ok():
            return
        time.sleep(0.2)
    raise AssertionError("waited in vain: " + what)


def first(answer):
    return answer["result"][0]["subjects"][0]


def encoded(name):
    with open(name, "rb") as file:
        return base64.b64encode(file.read()).decode()


def compreface_sdk():
    options = {"limit": 0, "det_prob_threshold": 0.2, "prediction_count": 2, "face_plugins": "calculator,age,landmarks", "status": "true"}
    server = CompreFace("http://127.0.0.1", port, options)
    recognition = server.init_face_recognition(key)
    answer = recognition.recognize("unknown/unknown0001.jpg")
    assert first(answer)["subject"] == "Ada" and first(answer)["similarity"] >= 0.5, answer
    assert len(answer["result"][0]["subjects"]) == 2 and answer["plugins_versions"], answer
    with open("unknown/unknown0002.jpg", "rb") as file:
        assert first(recognition.recognize(file.read(), {"limit": 1}))["subject"] == "Bruno"
    assert recognition.recognize("unknown/unknown0006.jpg") == NO_FACE

    subjects, faces = recognition.get_subjects(), recognition.get_face_collection()
    before = subjects.list()["subjects"]
    assert "Ada" in before, before
    assert subjects.add("Nadia") == {"subject": "Nadia"}
    assert subjects.add("Nadia")["code"] == 43
    added = faces.add("unknown/unknown0003.jpg", "Nadia")
    assert added["subject"] == "Nadia", added
    until("Nadia is recognized", lambda: first(recognition.recognize("unknown/unknown0003.jpg"))["subject"] == "Nadia")
    assert {"image_id": added["image_id"], "subject": "Nadia"} in faces.list()["faces"]
    assert faces.verify("unknown/unknown0003.jpg", added["image_id"])["result"][0]["similarity"] > 0.9
    assert faces.add("unknown/unknown0006.jpg", "Eve") == NO_FACE
    assert subjects.update("Nadia", "Nadia B") == {"updated": True}
    assert faces.delete(added["image_id"]) == {"image_id": added["image_id"], "subject": "Nadia B"}
    assert faces.add("unknown/unknown0003.jpg", "Nadia B")["subject"] == "Nadia B"
    assert faces.delete_all("Nadia B") == {"deleted": 1}
    assert subjects.delete("Nadia B") == {"subject": "Nadia B"}
    assert subjects.delete("Nadia B")["code"] == 42
    assert subjects.list()["subjects"] == before

    detected = server.init_face_detection(key).detect("unknown/unknown0001.jpg")
    assert len(detected["result"]) == 1 and len(detected["result"][0]["landmarks"]) == 5, detected
    verified = server.init_face_verification(key).verify("known/Ada/1.jpg", "known/Ada/2.jpg")
    assert verified["result"][0]["face_matches"][0]["similarity"] >= 0.5, verified
    wrong = CompreFace("http://127.0.0.1", port).init_face_recognition("wrong")
    assert wrong.recognize("unknown/unknown0001.jpg")["code"] == 10


def compreface_sdk_python():
    server = CompareFace("http://127.0.0.1", int(port))
    recognition = server.init_recognition_service(key)
    assert first(recognition.recognize("unknown/unknown0001.jpg"))["subject"] == "Ada"
    assert first(recognition.recognize_by_64(encoded("unknown/unknown0002.jpg"), prediction_count=2))["subject"] == "Bruno"
    assert recognition.recognize("unknown/unknown0006.jpg") == NO_FACE

    assert recognition.add_a_subject("Nadia") == {"subject": "Nadia"}
    added = recognition.add_a_img("Nadia", "unknown/unknown0003.jpg")
    image = {"image_id": added["image_id"], "subject": "Nadia"}
    assert recognition.list_saved_img_subject(subject="Nadia") == {
        "faces": [image], "page_number": 0, "page_size": 10, "total_pages": 1, "total_elements": 1}
    for name in recognition.download_a_img(image["image_id"], "a.jpg"), recognition.direct_download_img(image["image_id"], "b.jpg"):
        with open(name, "rb") as got, open("unknown/unknown0003.jpg", "rb") as want:
            assert got.read() == want.read(), name
    assert recognition.verify("unknown/unknown0003.jpg", image["image_id"])["result"][0]["similarity"] > 0.9
    assert recognition.verify_by_64(encoded("known/Ada/1.jpg"), image["image_id"])["result"][0]["similarity"] < 0.5
    assert recognition.rename_a_subject("Nadia", "Ada") == {"updated": True}  # they are one from now on
    assert recognition.delete_multiple_img([image["image_id"]]) == [{"image_id": image["image_id"], "subject": "Ada"}]
    assert recognition.delete_a_img(image["image_id"])["code"] == 44
    assert recognition.add_a_img_by_64("Nadia", encoded("unknown/unknown0003.jpg"))["subject"] == "Nadia"
    assert recognition.delete_saved_img_by_subject("Nadia") == {"deleted": 1}
    assert recognition.delete_a_subject("Nadia") == {"subject": "Nadia"}

    detection = server.init_detect_service(key)
    assert len(detection.detect("unknown/unknown0001.jpg")["result"]) == 1
    assert len(detection.detect_by_64(encoded("unknown/unknown0001.jpg"), face_plugins="landmarks")["result"][0]["landmarks"]) == 5
    verification = server.init_verify_service(key)
    assert verification.verify("known/Ada/1.jpg", "known/Ada/2.jpg")["result"][0]["face_matches"][0]["similarity"] >= 0.5
    assert verification.verify_by_64(encoded("known/Ada/1.jpg"), encoded("known/Bruno/1.jpg"))["result"][0]["face_matches"][0]["similarity"] < 0.5

    async def asynchronous():
        later = server.init_async_recognition_service(key)
        assert first(await later.recognize("unknown/unknown0001.jpg"))["subject"] == "Ada"
        assert (await server.init_async_detect_service(key).detect("unknown/unknown0006.jpg")) == NO_FACE

    asyncio.run(asynchronous())
    people = recognition.list_all_subjects()["subjects"]
    assert recognition.delete_all_subjects() == {"deleted": len(people)}
    assert recognition.list_all_subjects() == {"subjects": []}
    assert first_or_none(recognition.recognize("unknown/unknown0001.jpg")) is None


def first_or_none(answer):
    subjects = answer["result"][0]["subjects"]
    return subjects[0] if subjects else None


compreface_sdk()
compreface_sdk_python()
print("every call was answered")
