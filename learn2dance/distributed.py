"""Training on several processes: each computes a part of every batch, and the gradients are added up.

``accelerate launch`` starts the processes, and Hugging Face accelerate connects them. All of them draw the same batches
and hold the same weights. PyTorch's DistributedDataParallel is not used: it does not support ``torch.autograd.grad``,
which the critic's gradient penalty needs.
"""

import contextlib
import itertools
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from learn2dance import cli, threads
from learn2dance.errors import UserError

LAUNCHED = {"ACCELERATE_MIXED_PRECISION", "WORLD_SIZE"}  # variables that accelerate launch or torchrun sets


class Processes:
    """The processes of one training: their number ``count``, and this one's ``rank`` and ``device``.

    Only the main process, of rank 0, writes files and messages. Each process computes its share of a batch in
    ``accumulate`` parts, one after the other. Without an ``accelerator`` there is one process.
    """

    def __init__(self, device: str = "cpu", accumulate: int = 1, accelerator=None):
        self.device, self.accumulate, self.accelerator = device, accumulate, accelerator
        self.count = accelerator.num_processes if accelerator else 1
        self.rank = accelerator.process_index if accelerator else 0

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def __str__(self) -> str:
        """Return the device, with the number of processes if there are several, and the precision if it is mixed."""
        found = [self.device]
        if self.count > 1:
            found.append(f"{self.count} processes")
        if self.accelerator and self.accelerator.mixed_precision != "no":
            found.append(self.accelerator.mixed_precision)
        return ", ".join(found)

    def parts(self, count: int) -> list[tuple[slice, float]]:
        """Return this process's parts of a batch of ``count`` examples, each with its share of the batch.

        The mean over the batch is the sum over all parts, of all processes, of the share times the mean over the part.
        Raises a UserError if there are more parts than examples.
        """
        total, first = self.count * self.accumulate, self.rank * self.accumulate
        if total > count:
            hint = "raise it, or lower --accumulate or the number of processes"
            raise UserError(f"--batch {count}: less than one example for each of {total} parts; {hint}")
        edges = [count * part // total for part in range(first, first + self.accumulate + 1)]
        return [(slice(start, end), (end - start) / count) for start, end in itertools.pairwise(edges)]

    def autocast(self) -> contextlib.AbstractContextManager:
        """Return a context in which networks compute with the precision given to ``accelerate launch``."""
        return self.accelerator.autocast() if self.accelerator else contextlib.nullcontext()

    def seed_dropout(self, seed: int, step: int) -> None:
        """Seed torch for a step, if there are several processes: each draws other numbers, as its examples differ."""
        if self.count > 1:
            import numpy as np
            import torch

            torch.manual_seed(int(np.random.SeedSequence([seed, step, self.rank]).generate_state(1, np.uint64)[0]))

    def sum_gradients(self, parameters: Iterable, losses):
        """Replace the parameters' gradients by their sums over all processes; return the sums of ``losses`` (n,)."""
        if self.count == 1:
            return losses
        import torch

        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        parts = [*gradients, losses]
        with _other_processes():  # a single vector, since each reduction waits for the slowest process
            total = self.accelerator.reduce(torch.cat([part.flatten() for part in parts]), "sum")
        *sums, losses = total.split([part.numel() for part in parts])
        for gradient, value in zip(gradients, sums, strict=True):
            gradient.copy_(value.view_as(gradient))
        return losses

    def from_main(self, value: Any) -> Any:
        """Return the main process's value, in all processes."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        with _other_processes():
            return broadcast_object_list([value])[0]

    def require_same(self, what: str, value: Any) -> None:
        """Raise a UserError if a value is not the same in all processes."""
        if self.count == 1:
            return
        from accelerate.utils import gather_object

        with _other_processes():
            values = gather_object([value])
        if different := [rank for rank, other in enumerate(values) if other != values[0]]:
            hint = "do all machines see the same files, and run the same command?"
            raise UserError(f"process {different[0]} has other {what} than process 0; {hint}")


SINGLE = Processes()


@contextlib.contextmanager
def start(args) -> Iterator[Processes]:
    """Yield the processes of this training, connected if ``accelerate launch`` started several.

    ``args`` are those of a trainer. If one process fails, the others end with exit code 2 when they next wait for it.
    Of several that fail, only the first says why.
    """
    if not LAUNCHED & set(os.environ):
        yield Processes(cli.device(args.device), args.accumulate)
        return
    from accelerate import PartialState

    cpu = "cpu" in (args.device, cli.device("auto"))
    with _other_processes():
        state, store = PartialState(cpu=cpu), None
        if state.num_processes > 1:
            from torch.distributed import TCPStore

            store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
            state.wait_for_everyone()  # a process that ended before all are connected would keep the others waiting
    try:
        yield _configure(args, cpu)
    except BaseException:
        if store and not _is_first_to_fail(store):
            sys.exit(2)
        raise
    state.destroy_process_group()


def _is_first_to_fail(store) -> bool:
    try:
        return store.add("failed", 1) == 1
    except RuntimeError:  # the process that has the store ended first
        return False


def _configure(args, cpu: bool) -> Processes:
    from accelerate import Accelerator

    precision, device = os.environ.get("ACCELERATE_MIXED_PRECISION", "no"), cli.device(args.device)
    if precision not in ("no", "bf16"):
        raise UserError(f"--mixed_precision {precision}: expected bf16 or no; others need scaled losses")
    if ":" in device:
        raise UserError(f"--device {device}: accelerate launch gives each process its device; leave out --device")
    accelerator = Accelerator(cpu=cpu)
    own = device if cpu else str(accelerator.device)  # cuda:0, cuda:1, …
    processes = Processes(own, args.accumulate, accelerator)
    if processes.count == 1 and "MASTER_ADDR" in os.environ:
        hint = "add --multi_gpu, which works without GPUs too"
        raise UserError(f"accelerate launch was asked for several processes, and started one; {hint}")
    if processes.count > 1:
        local = int(os.environ.get("LOCAL_WORLD_SIZE", processes.count))
        args.threads = args.threads or max(1, threads.cores() // local)  # the same number in each
        threads.limit(args.threads)
    if not processes.is_main:
        cli.log.setLevel(logging.CRITICAL)
    return processes


@contextlib.contextmanager
def _other_processes() -> Iterator[None]:
    """Raise a UserError if another process cannot be reached."""
    try:
        yield
    except RuntimeError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"another process of this training has ended or cannot be reached ({reason})") from None
