#!/usr/bin/env python3
"""Releases a new version of a scikit-learn model that MLServer serves, through a real Envoy.

    make demo-mlserver

Two MLServers serve two versions of a fraud model over the Open Inference protocol. `bluegreen release` asks v1.3 whether it is
ready, holds its answers to labelled payments against v1.2's, loads it, and then moves the traffic; `bluegreen rollback` moves it
back. At last v1.2 is released over v1.3, which the gates refuse. Everything runs on loopback, on free ports, and ends with this
program.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "examples/mlserver"
MODELS = ROOT / "target/mlserver/models"
VERSIONS = ("v1.2", "v1.3")
SERVICE = "fraud-sklearn"
# Those that fraud-sklearn.yaml declares.
GATES = {"ready", "quality", "bears-the-traffic"}
# What `bluegreen release` exits with when the gates did not pass.
GATES_FAILED = 10

# MLServer imports scikit-learn at its start: seconds, and more on a busy machine.
START = 90
# Requests a second while the traffic moves.
RATE = 40


class Failed(Exception):
    """What went wrong, in a sentence."""


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(port, path, body=None):
    """Status and parsed answer of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"content-type": "application/json"} if body else {}
        connection.request("POST" if body else "GET", path, body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text.strip() else None
    finally:
        connection.close()


def wait_for(what, ready, process=None):
    """Asks until the answer is yes."""
    until = time.monotonic() + START
    while time.monotonic() < until:
        if process and process.poll() is not None:
            raise Failed(f"{what}: it ended with {process.returncode}")
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            if ready():
                return
        time.sleep(0.05)
    raise Failed(f"{what}: not within {START} s")


class World:
    """Processes and files, ended and removed together."""

    def __init__(self, bluegreen):
        self.bluegreen = bluegreen
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bluegreen-mlserver-"))
        self.processes = []
        self.admin, self.xds, self.listener = free_port(), free_port(), free_port()

    def start(self, name, command, **more):
        """A process whose output goes into a file."""
        log = open(self.folder / f"{name}.log", "wb")
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **more)
        self.processes.append(process)
        return process

    def end(self):
        """Ends the processes that were started here, and no other."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def model(self, version):
        """An MLServer with that version; its port."""
        folder = self.folder / version
        shutil.copytree(MODELS / version, folder)
        port = free_port()
        settings = {
            "host": "127.0.0.1",
            "http_port": port,
            "grpc_port": free_port(),
            "metrics_port": free_port(),
            # One process per server: the answers come from the model, not from a pool beside it.
            "parallel_workers": 0,
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        process = self.start(f"mlserver-{version}", [str(pathlib.Path(sys.executable).parent / "mlserver"), "start", str(folder)])
        return port, process

    def cli(self, *args, exits=0):
        """A command of bluegreen; what it printed as JSON."""
        print(f"  $ bluegreen {' '.join(args)}", flush=True)
        environment = os.environ | {"BLUEGREEN_SERVER": f"http://127.0.0.1:{self.admin}"}
        ran = subprocess.run([self.bluegreen, *args, "-o", "json"], capture_output=True, text=True, env=environment, check=False)
        if ran.returncode != exits:
            raise Failed(f"bluegreen {args[0]} exited with {ran.returncode}, not {exits}: {ran.stderr.strip()}")
        return json.loads(ran.stdout)

    def control_plane(self):
        """bluegreen, and an Envoy with the bootstrap that users get."""
        serve = [
            self.bluegreen, "serve", f"--xds=127.0.0.1:{self.xds}", f"--admin=127.0.0.1:{self.admin}",
            f"--http=127.0.0.1:{free_port()}", f"--data-dir={self.folder / 'data'}", f"--check-data={MODELS}",
        ]
        process = self.start("bluegreen", serve)
        wait_for("bluegreen", lambda: socket.create_connection(("127.0.0.1", self.admin), 1).close() is None, process)
        envoy = subprocess.run([ROOT / "envoy/get-envoy"], capture_output=True, text=True, check=True).stdout.strip()
        bootstrap = (ROOT / "envoy/bootstrap.yaml").read_text()
        bootstrap = bootstrap.replace("port_value: 18000", f"port_value: {self.xds}").replace("port_value: 9901", "port_value: 0")
        (self.folder / "bootstrap.yaml").write_text(bootstrap)
        self.start("envoy", [
            envoy, "-c", str(self.folder / "bootstrap.yaml"), "--service-node", "proxy-1", "--service-cluster", "payments",
            "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning",
        ])


class Customers(threading.Thread):
    """Asks the model again and again through the proxy; nothing is tried twice."""

    def __init__(self, port, questions):
        super().__init__(daemon=True)
        self.port, self.questions = port, questions
        self.answers, self.failures = [], []
        self.over = threading.Event()

    def run(self):
        at = 0
        while not self.over.wait(1 / RATE):
            question = self.questions[at % len(self.questions)]
            at += 1
            try:
                status, answer = ask(self.port, "/v2/models/fraud/infer", question)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(str(error))
                continue
            if status == 200:
                self.answers.append(answer["model_version"])
            else:
                self.failures.append(f"{status}: {answer}")

    def wait_for(self, version, count=20):
        """Until so many answers in a row are of that version."""
        wait_for(f"answers of {version}", lambda: self.answers[-count:] == [version] * count)


def questions():
    """The labelled questions, as bodies."""
    with open(MODELS / "labelled.jsonl", encoding="utf-8") as lines:
        return [json.dumps(json.loads(line)["input"]) for line in lines]


def story(world):
    """From two model servers to a release and back."""
    print("two MLServers with two versions of a scikit-learn model, bluegreen, and an Envoy", flush=True)
    servers = {version: world.model(version) for version in VERSIONS}
    world.control_plane()
    for version, (port, process) in servers.items():
        path = f"/v2/models/fraud/versions/{version}/ready"
        wait_for(f"MLServer {version}", lambda: ask(port, path)[0] == 200, process)
        print(f"  MLServer {version} on 127.0.0.1:{port} is ready", flush=True)

    blue, green = (f"127.0.0.1:{servers[version][0]}" for version in VERSIONS)
    document = (HERE / "fraud-sklearn.yaml").read_text()
    document = document.replace("port: 10000", f"port: {world.listener}").replace("127.0.0.1:9001", blue)
    (world.folder / "fraud-sklearn.yaml").write_text(document)
    world.cli("apply", "-f", str(world.folder / "fraud-sklearn.yaml"))
    wait_for("the route through Envoy", lambda: ask(world.listener, "/v2/health/ready")[0] == 200)

    customers = Customers(world.listener, questions())
    customers.start()
    customers.wait_for("v1.2")
    release(world, "v1.3", green)
    customers.wait_for("v1.3")
    proven(world.cli("rollback", SERVICE))
    customers.wait_for("v1.2")
    release(world, "v1.3", green)
    customers.wait_for("v1.3")
    refused(world, "v1.2", blue)
    customers.wait_for("v1.3")
    customers.over.set()
    customers.join()
    if customers.failures:
        raise Failed(f"{len(customers.failures)} requests failed, the first with {customers.failures[0]}")
    counts = {version: customers.answers.count(version) for version in VERSIONS}
    print(f"  {len(customers.answers)} requests, none failed: {counts}", flush=True)


def release(world, version, endpoint):
    """The whole way with one command: the gates, the switch, and the watched time after it."""
    told = world.cli("release", SERVICE, "--version", version, "--endpoint", endpoint, "--promotion", "automatic")
    record = gates(world, told)
    passed = {check["name"] for check in record if check["phase"] == "Successful"}
    if told["phase"] != "Standby" or passed != GATES:
        raise Failed(f"{version} is in {told['phase']}, with {sorted(passed)} passed: {told['reason']}")


def refused(world, version, endpoint):
    """A version that is ready, and finds less fraud than it must: no traffic moves, and it is not even loaded."""
    told = world.cli(
        "release", SERVICE, "--version", version, "--endpoint", endpoint, "--promotion", "automatic", "--replace-standby",
        exits=GATES_FAILED,
    )
    phases = {check["name"]: check["phase"] for check in gates(world, told)}
    if told["phase"] != "Failed" or phases["ready"] != "Successful" or phases["quality"] != "Failed":
        raise Failed(f"{version} is in {told['phase']}, with {phases}: {told['reason']}")


def gates(world, told):
    """The gates of a release as its record has them, each printed as a line."""
    record = world.cli("releases", SERVICE, str(told["number"]))
    checks = next(run["analysis"]["checks"] for run in record["analyses"] if run["purpose"] == "validation")
    for check in checks:
        message = check.get("message") or check["measurements"][-1]["message"]
        print(f"    {check['name']} ({check['kind']}): {check['phase']}: {message}", flush=True)
    return checks


def proven(answer):
    """The proxy accepted it."""
    if answer["proxies"]["acked"] != 1:
        raise Failed(f"not accepted: {answer['message']}")
    print(f"    {answer['message']}", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--bluegreen", default=str(ROOT / "target/release/bluegreen"), help="the binary to run")
    arguments = arguments.parse_args()
    world = World(arguments.bluegreen)
    try:
        story(world)
    except Failed as error:
        print(f"examples/mlserver: {error}", file=sys.stderr)
        for log in sorted(world.folder.glob("*.log")):
            print(f"--- the end of {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-5:]), file=sys.stderr)
        return 1
    finally:
        world.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
