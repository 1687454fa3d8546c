"""Interrupt training."""

import signal
import subprocess
import sys

from conftest import ROOT

from learn2dance.gan import adversarial


def interrupt(arguments, line: str) -> None:
    """Run a script with these arguments, interrupt it as a user does after this line of output, and check its end."""
    command = [sys.executable, *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for said in process.stdout:
        if said.startswith(line):
            break
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and error.startswith("interrupted") and error.count("\n") == 1, error


def stop_at(step: int, monkeypatch) -> None:
    """Let the GAN's training in this process be interrupted in this step of the generator, counted from 0."""
    take_step, steps = adversarial.generator_step, []

    def counted(*given):
        steps.append(1)
        if len(steps) > step:
            raise KeyboardInterrupt
        return take_step(*given)

    monkeypatch.setattr(adversarial, "generator_step", counted)
