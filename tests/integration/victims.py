"""Processes that record operations and are killed at random moments, one after the other.

``python victims.py RECEIPTS KILLS SEED`` forks them from a process that has everything imported.
Each prints a token when an operation's call has returned, and is killed with its children a little
later. RECEIPTS holds the tokens that arrived, one a line.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time

import otelprov

KINDS = ("plain", "threads", "forks", "both")


def record(pipe: int, label: str) -> None:
    """Record without end; say what has returned."""
    number = 0
    while True:
        token = f"{label}-{number}"
        with otelprov.operation("work", parameters={"receipt": token}):
            pass
        os.write(pipe, f"{token}\n".encode())
        number += 1


def live(pipe: int, kind: str) -> None:
    """What a victim does until it is killed."""
    if kind in ("threads", "both"):
        for number in range(2):
            label = f"{os.getpid()}-thread{number}"
            threading.Thread(target=record, args=(pipe, label), daemon=True).start()
    if kind in ("forks", "both"):
        while True:
            child = os.fork()
            if child == 0:
                record(pipe, f"{os.getpid()}-child")
            time.sleep(0.002)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            with otelprov.operation("work", parameters={"receipt": f"{os.getpid()}-{child}"}):
                pass
            os.write(pipe, f"{os.getpid()}-{child}\n".encode())
    record(pipe, f"{os.getpid()}-main")


def main(receipts: str, kills: int, seed: int) -> None:
    otelprov.enable()
    with otelprov.operation("before", parameters={"receipt": "before"}):
        pass
    chance = random.Random(seed)
    with open(receipts, "wb") as told:
        told.write(b"before\n")
        for number in range(kills):
            reading, writing = os.pipe()
            victim = os.fork()
            if victim == 0:
                os.setpgid(0, 0)
                os.close(reading)
                live(writing, KINDS[number % len(KINDS)])
            os.close(writing)
            first = os.read(reading, 1)  # it has come to work
            time.sleep(chance.random() * 0.02)
            os.killpg(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
            received = [first]
            while piece := os.read(reading, 1 << 16):
                received.append(piece)
            os.close(reading)
            # A token is one write of a few bytes: it arrives as a whole or not at all.
            told.write(b"".join(received))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
