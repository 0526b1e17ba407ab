"""A Docker daemon of the suite's own, and the image under test.

It runs in the namespaces that the entry script made, so it must not mind, and does not touch, any other
daemon of the host. Everything that it keeps lies in one folder, which goes with it.
"""

import os
import pathlib
import shutil
import subprocess

from resp import Failed, until

BASE = "quorate-suite-base"
IMAGE = "quorate-suite"
LINES_MAX = 40


def run(*command, seconds: float = 60, **options) -> str:
    """Runs a program to its end, bounded in time, and gives what it printed."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            **options,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(map(str, command[:4]))} … did not end within {seconds:g} s") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()[-LINES_MAX:]
        raise Failed(f"{' '.join(map(str, command[:4]))} … ended with {done.returncode}: " + "\n".join(said))
    return done.stdout.strip()


def docker(*args, seconds: float = 60) -> str:
    """One command of Docker's client, against the suite's daemon."""
    return run("docker", *args, seconds=seconds)


class Daemon:
    """A running daemon; a context manager."""

    def __init__(self, work: pathlib.Path):
        self.root = work / "docker"
        self.log = work / "dockerd.log"
        self.process = None

    def __enter__(self):
        prepare_namespaces()
        # What an earlier run left that was ended hard. Nothing of it is mounted any more.
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        (self.root / "client").mkdir()
        (self.root / "daemon.json").write_text("{}\n")
        # The user's own contexts, proxies and credentials are none of the suite's.
        os.environ["DOCKER_CONFIG"] = str(self.root / "client")
        os.environ["DOCKER_HOST"] = "unix:///run/docker.sock"
        # The builder that every version has; the other one is a package of its own.
        os.environ["DOCKER_BUILDKIT"] = "0"
        arguments = [
            f"--config-file={self.root / 'daemon.json'}",
            f"--data-root={self.root / 'data'}",
            "--exec-root=/run/docker",
            "--pidfile=/run/docker.pid",
            "--host=unix:///run/docker.sock",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            "--bridge=none",
            "--log-level=warn",
        ]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["dockerd", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A signal to the suite ends the tests first and the daemon after them.
                start_new_session=True,
            )
        try:
            until("the Docker daemon answers", 60, self.answers)
        except BaseException:
            self.__exit__()
            raise
        return self

    def answers(self):
        if self.process.poll() is not None:
            said = self.log.read_text(errors="replace").splitlines()[-LINES_MAX:]
            raise SystemExit("the Docker daemon ended:\n" + "\n".join(said))
        return docker("version", "--format", "{{.Server.Version}}", seconds=10)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.root, ignore_errors=True)


def prepare_namespaces():
    """Gives the daemon a loopback, and state folders that nobody else sees."""
    if os.getpid() != 1:
        raise SystemExit("start the suite with tests/containers/run: it makes the namespaces")
    run("ip", "link", "set", "lo", "up")
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    pathlib.Path("/etc/docker").mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "tmpfs", "/etc/docker")


def build_image(base: pathlib.Path, quorate: pathlib.Path, dockerfile: pathlib.Path, context: pathlib.Path):
    """Builds the image from the repository's Dockerfiles, without a network."""
    docker("import", base, BASE, seconds=300)
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    shutil.copy2(quorate, context / "quorate")
    (context / "quorate").chmod(0o755)
    try:
        docker(
            *("build", "--network=none", "--target=runtime", f"--build-arg=RUNTIME_BASE={BASE}"),
            *("--file", dockerfile, "--tag", f"{IMAGE}-runtime", context),
            seconds=300,
        )
        docker(
            *("build", "--network=none", f"--build-arg=RUNTIME={IMAGE}-runtime"),
            *("--file", dockerfile.with_name("prebuilt.Dockerfile"), "--tag", IMAGE, context),
            seconds=300,
        )
    finally:
        shutil.rmtree(context)
