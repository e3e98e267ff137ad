"""The client in TestPython: takes one JSON command per line, answers one line. Bytes travel in hexadecimal."""

import json
import resource
import sys
import threading

sys.path.insert(0, sys.argv[2])
sys.dont_write_bytecode = True
import jali_cohort  # noqa: E402

cohort = jali_cohort.Library(sys.argv[1])
journal = set()


def remember(seed):
    if seed in journal:
        raise ValueError("seed was used")
    journal.add(seed)


def refused(f, *a):
    try:
        f(*a)
    except jali_cohort.CohortError as e:
        return str(e)
    return ""


def generate(c):
    global key
    fresh, registration = cohort.generate_key(c["params"], bytes.fromhex(c["crs"]))
    stored = fresh.store()
    key = cohort.restore_key(stored)
    if key.id != fresh.id:
        raise ValueError("restored another key")
    fresh.erase()
    return {"registration": registration.hex(), "id": key.id.hex(), "sizes": cohort.sizes(c["params"]), "stale": refused(fresh.store)}


def encrypt(c):
    with key.encrypt(c["question"], c["selected"], remember) as u:
        parts = list(u)
        again = u[1]
        commit = u.commit()
        size = u.bytes
    body = b"".join(parts)
    if len(body) != size or again != parts[1]:
        raise ValueError("parts differ from what was announced")
    return {"upload": body.hex(), "commit": commit.hex(), "after": refused(lambda: u[1])}


def decrypt(c):
    numbers, out = key.decrypt(bytes.fromhex(c["reply"]), c["bounds"])
    return {"numbers": numbers, "out_of_range": out}


def errors(c):
    q = c["question"]
    u = key.encrypt(q, [0], remember)
    stop = []
    found = {
        "entry": refused(key.encrypt, q, [10**6], remember),
        "negative": refused(key.encrypt, q, [-1], remember),
        "question": refused(key.encrypt, {**q, "more": 1}, [0], remember),
        "params": refused(cohort.generate_key, "ecq9", bytes(32)),
        "stored": refused(cohort.restore_key, b"short"),
        "reply": refused(key.decrypt, b"short", [0]),
        "handle": refused(jali_cohort.Key.store, type("K", (), {"_library": cohort, "_handle": 987654321})()),
        "kind": refused(jali_cohort.Key.store, type("K", (), {"_library": cohort, "_handle": u._handle})()),
        "zero": refused(jali_cohort.Upload.erase, type("U", (), {"_library": cohort, "_handle": 0})()),
    }
    try:
        key.encrypt(q, [0], lambda seed: stop.append(seed) or 1 / 0)
    except ZeroDivisionError:
        found["journal"] = "stopped"
    u.erase()
    found["twice"] = refused(u.erase)
    return found


def threads(c):
    """Many threads encrypt the same blocks while the upload is erased under them: the same bytes or a refusal, nothing else."""
    u = key.encrypt(c["question"], c["selected"], remember)
    want, bad, ended = u[1], [], []
    halfway = threading.Event()

    def work():
        for i in range(40):
            if i == 5:
                halfway.set()
            try:
                if u[1] != want:
                    bad.append("other bytes")
            except jali_cohort.CohortError as e:
                ended.append(str(e))

    all_ = [threading.Thread(target=work) for _ in range(4)]
    for t in all_:
        t.start()
    halfway.wait()
    u.erase()
    for t in all_:
        t.join()
    return {"bad": bad, "ended": len(ended)}


def memory(c):
    """Peak memory in kB after some, and after many more, registrations and parts."""
    def turn():
        k, _ = cohort.generate_key("ecq1-a", bytes(32))
        with k.encrypt(c["question"], c["selected"], remember) as u:
            u[1]
        k.erase()

    for _ in range(40):
        turn()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(c["turns"]):
        turn()
    return {"before": before, "after": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


for line in sys.stdin:
    command = json.loads(line)
    print(json.dumps(globals()[command["do"]](command)), flush=True)
