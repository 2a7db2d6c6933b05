"""A gRPC client that calls /fraud.Model/Score of TARGET, RATE times a second, whether or not the calls before have
ended: `call.py TARGET RATE`. No call waits for a channel that is not ready, and none is tried again by us.

Each line on stdin is the name of what begins now. It is repeated on stdout, and every call that is begun after it bears
it: one line of JSON per call that has ended, with `during`, with `until`, the name of when it ended, and `answer` or `error`. Ends when stdin
does, after the last call."""

import json
import queue
import sys
import threading
import time

import grpc

METHOD = "/fraud.Model/Score"
# Longer than anything that a test waits for: a call that takes so long has failed.
TIMEOUT = 30

target, rate = sys.argv[1], float(sys.argv[2])
# Retries would hide what is lost.
channel = grpc.insecure_channel(target, options=[("grpc.enable_retries", 0)])
score = channel.unary_unary(METHOD)

during = "start"
lock = threading.Lock()
ended = queue.Queue()
running = threading.Event()
running.set()


def say(line):
    with lock:
        print(json.dumps(line), flush=True)


def read():
    global during
    for line in sys.stdin:
        during = line.strip()
        say({"began": during})
    running.clear()


def report(of, call):
    line = {"during": of, "until": during}
    if call.code() == grpc.StatusCode.OK:
        line["answer"] = call.result().decode()
    else:
        line["error"] = f"{call.code()}: {call.details()}"
    say(line)
    ended.put(None)


threading.Thread(target=read, daemon=True).start()
began = time.monotonic()
calls = 0
while running.is_set():
    of = during
    call = score.future(b"", timeout=TIMEOUT)
    call.add_done_callback(lambda call, of=of: report(of, call))
    calls += 1
    time.sleep(max(0.0, began + calls / rate - time.monotonic()))
for _ in range(calls):
    ended.get()
