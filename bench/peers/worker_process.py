"""A process that measures one engine, by a protocol of lines on its standard input and output.

    it says       engine NAME VERSION[, ...]
                  ready LOAD_AND_FIRST_ANSWER_MS PEAK_BYTES_BEFORE_LOADING
    it is told    run N           and answers N latencies in ms, of one synchronous inference each
                  memory          peak bytes so far
                  scores FILE     "saved": its logits as .npy
                  quit
"""
import contextlib
import os
import pathlib
import subprocess
import time

QUIET = 0.02  # seconds without work after which a process is taken to be at rest


class WorkerProcess:
    def __init__(self, command, cores, environment=None):
        """Starts it on some cores and waits until it is ready. To be used in a with statement."""
        self.command = [str(c) for c in command]
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment, preexec_fn=lambda: os.sched_setaffinity(0, cores))
        try:
            self.version = self._line("engine ")
            load, baseline = self._line("ready ").split()
            self.load_ms, self.baseline_bytes = float(load), int(baseline)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Ends it, if need be by force."""
        try:
            self.process.communicate("quit\n", timeout=20)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def run(self, count):
        times = [float(t) for t in self._ask(f"run {count}").split()]
        if len(times) != count:
            raise RuntimeError(f"{' '.join(self.command)}: expected {count} latencies, found {len(times)}")
        return times

    def rest(self, at_most=1.0):
        """Waits until its threads, which may spin for a while after a run, use no processor any more."""
        end, used = time.monotonic() + at_most, -1.0
        while used != (used := self.processor_seconds()):
            if time.monotonic() > end:
                raise RuntimeError(f"{' '.join(self.command)}: still works {at_most} s after its last answer")
            time.sleep(QUIET)

    def processor_seconds(self):
        """What its threads have used so far."""
        nanoseconds = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended since it was listed
                nanoseconds += int((task / "schedstat").read_text().split()[0])
        return nanoseconds / 1e9

    def peak_bytes(self):
        return int(self._ask("memory"))

    def save_scores(self, path):
        if self._ask(f"scores {path}") != "saved":
            raise RuntimeError(f"{' '.join(self.command)}: {path} not saved")

    def _ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._line()

    def _line(self, start=""):
        """The next line that begins so, without that beginning; libraries may print others before "ready"."""
        for line in self.process.stdout:
            if line.startswith(start):
                return line[len(start):].strip()
        raise RuntimeError(f"{' '.join(self.command)}: ended while \"{start}...\" was expected of it")
