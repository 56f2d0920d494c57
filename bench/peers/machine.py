"""What a latency was measured on, as {name: text}. Linux only."""
import datetime
import os
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Those that decide which kernels an engine chooses.
FLAGS = ("avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16",
         "amx_tile", "amx_bf16", "amx_int8", "asimd", "sve", "bf16", "i8mm")


def cpu_info():
    """The first processor's entries in /proc/cpuinfo."""
    first = pathlib.Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}


def cpu_name():
    return cpu_info().get("model name", platform.machine())


def describe():
    info = cpu_info()
    present = info.get("flags", info.get("Features", "")).split()
    ids = [info[k] for k in ("cpu family", "model", "stepping") if k in info]
    return {"CPU": cpu_name() + (f" (family, model, stepping {'/'.join(ids)})" if ids else ""),
            "flags": " ".join(f for f in FLAGS if f in present),
            "cores": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} usable"
                     + (", a virtual machine" if "hypervisor" in present else ""),
            "kernel": platform.release(),
            "load average before": " ".join(f"{x:.2f}" for x in os.getloadavg())}


def busy_seconds():
    """What all cores together have worked since the machine was started, with what a host took of a virtual one."""
    user, nice, system, idle, waiting, *others = pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    return sum(map(int, (user, nice, system, *others))) / os.sysconf("SC_CLK_TCK")


def commit():
    """The source's, with a word if it was changed since; empty outside a repository."""
    try:
        asked = ["git", "describe", "--always", "--dirty", "--exclude=*"]
        return subprocess.run(asked, cwd=ROOT, check=True, text=True, capture_output=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def result_name():
    """cpu-<cpu>-<date>, of letters, digits and hyphens"""
    words = re.findall("[a-z0-9]+", re.sub(r"\((r|tm|c)\)", " ", cpu_name().lower()))
    return "-".join(["cpu", *words, datetime.date.today().isoformat()])
