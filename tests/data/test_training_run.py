"""The bookkeeping of training, on a model with one weight."""

import os
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from learn2dance.data import checkpoint, curves, training_run
from learn2dance.data.training_run import TrainingRun
from learn2dance.errors import UserError


def arguments(losses, resume=False, **more):
    return SimpleNamespace(**({"seed": 0, "steps": len(losses), "every": 1, "resume": resume} | more))


def train(out, losses, parents=(), resume=False, stop=None, **more):
    """Train as many steps as there are losses; return the run, and the steps that it took."""
    run = TrainingRun("pose_gan", out, arguments(losses, resume, **more), {"data": list(parents)})
    network = nn.Linear(1, 1, bias=False)
    run.begin(network, torch.optim.SGD(network.parameters(), 0.1))
    taken = []
    for step in run.steps():
        taken.append(step)
        nn.init.constant_(network.weight, step)
        run.validated(losses[step], lambda path, **parts: save(path, network, **parts), {"loss": losses[step]}, {})
        if run.step == stop:
            return run, taken
    run.finish("loss")
    return run, taken


def test_a_path_that_tensorboard_cannot_write_is_refused(tmp_path):
    with pytest.raises(UserError, match="expected a path in UTF-8, for TensorBoard"):
        train(tmp_path / os.fsdecode(b"caf\xe9") / "m.pt", [1.0])
    assert not list(tmp_path.iterdir())


def test_the_curves_are_on_disk_when_the_state_is(tmp_path):
    """A resumed run does not compute them again."""
    run, _ = train(tmp_path / "m.pt", [3.0, 2.0, 1.0], stop=2)  # its curves are still open
    assert curves.history(run.folder)["val/loss"].tolist() == [[1, 3], [2, 2]]


def save(path, network, **parts):
    checkpoint.save(path, "pose_gan", network=network.state_dict(), **parts)


def make_earlier(run):
    """Let a run's curves be earlier: TensorBoard reads files in the order of the seconds of their names."""
    for events in run.folder.glob("events.*"):
        events.rename(run.folder / "events.out.tfevents.1000000000.earlier")


def weight(out):
    return checkpoint.load(out, "pose_gan")["network"]["weight"].item()


def test_the_model_with_the_lowest_loss_is_kept(tmp_path):
    run, taken = train(tmp_path / "m.pt", [3.0, 1.0, 2.0, float("nan")])
    assert taken == [0, 1, 2, 3] and weight(run.out) == 1 and (run.best, run.best_step, run.waited) == (1.0, 2, 2)
    run, _ = train(tmp_path / "n.pt", [float("nan"), float("nan")])
    assert weight(run.out) == 1  # without a number, the last one


def test_it_resumes_where_it_stopped_and_no_validation_is_lost(tmp_path):
    make_earlier(train(tmp_path / "m.pt", [3.0, 2.0, 1.0, 4.0], stop=2)[0])
    run, taken = train(tmp_path / "m.pt", [3.0, 2.0, 1.0, 4.0], resume=True)
    assert taken == [2, 3] and weight(run.out) == 2
    assert curves.history(run.folder)["val/loss"].tolist() == [[1, 3], [2, 2], [3, 1], [4, 4]]


def test_killed_after_writing_the_model_it_resumes_before(tmp_path):
    """The state is of step 1, and the model of step 2."""
    run, _ = train(tmp_path / "m.pt", [3.0, 2.0, 1.0], stop=1)
    state = run.last.read_bytes()
    train(tmp_path / "m.pt", [3.0, 2.0, 1.0], resume=True, stop=2)
    run.last.write_bytes(state)
    run, taken = train(tmp_path / "m.pt", [3.0, 2.0, 1.0], resume=True)
    assert taken == [1, 2] and weight(run.out) == 2


def test_a_new_run_replaces_the_curves_and_pictures_of_the_one_before(tmp_path):
    run, _ = train(tmp_path / "m.pt", [3.0, 2.0, 1.0])
    kept = [run.folder / "notes.txt", run.folder / "step_final.png"]
    for path in (run.folder / "step_000003.png", *kept):
        path.write_text("")
    make_earlier(run)
    train(tmp_path / "m.pt", [5.0, 4.0])
    assert curves.history(run.folder)["val/loss"].tolist() == [[1, 5], [2, 4]]
    assert sorted(path for path in run.folder.iterdir() if "events" not in path.name) == kept


def test_the_time_left_counts_the_steps_since_it_resumed(tmp_path, monkeypatch, caplog):
    """Of 10 steps, each of a minute, two were taken before: after step 3, 7 minutes are left, after step 9 a minute."""
    train(tmp_path / "m.pt", [1.0] * 10, stop=2)
    clock = iter(range(0, 6000, 60))
    monkeypatch.setattr(training_run, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(training_run.log, "propagate", True)
    caplog.set_level("INFO", training_run.log.name)
    train(tmp_path / "m.pt", [1.0] * 10, resume=True)
    lines = [line for line in caplog.messages if line.startswith("step ")]
    assert lines[0].startswith("step 3 of 10 (7 min left): ") and lines[-2].startswith("step 9 of 10 (60 s left): ")
    assert lines[-1].startswith("step 10 of 10: ")
    monkeypatch.setattr(training_run, "time", SimpleNamespace(monotonic=iter([0, 200]).__next__))
    train(tmp_path / "early.pt", [1.0, 1.0], patience=8, stop=1)
    assert caplog.messages[-1].startswith("step 1 of 2 (at most 3 min left): ")


def test_up_to_date_is_what_was_trained_to_the_end_alike(tmp_path):
    def up_to_date(out, steps=2, parents=(), **more):
        args = SimpleNamespace(**({"seed": 0, "steps": steps, "every": 1, "resume": True} | more))
        return TrainingRun("pose_gan", out, args, {"data": list(parents)}).is_up_to_date()

    out = tmp_path / "m.pt"
    assert not up_to_date(out)
    train(out, [2.0, 1.0], stop=1)
    assert not up_to_date(out)
    train(out, [2.0, 1.0])
    assert up_to_date(out) and not up_to_date(out, steps=3) and not up_to_date(out, parents=["new"])
    assert up_to_date(out, device="cuda", quiet=True)  # these do not affect the model


@pytest.mark.parametrize("how", ["deleted", "damaged", "of another seed", "of another step"])
def test_a_model_that_is_not_of_the_saved_state_is_trained_again(tmp_path, how, caplog):
    out, losses = tmp_path / "m.pt", [2.0, 1.0]
    train(out, losses)
    good = out.read_bytes()
    if how == "deleted":
        out.unlink()
    elif how == "damaged":
        out.write_bytes(good[:100])
    elif how == "of another seed":
        train(tmp_path / "other.pt", losses, seed=1)
        out.write_bytes((tmp_path / "other.pt").read_bytes())
    else:  # killed between writing the model and the state
        parts = checkpoint.load(out, "pose_gan")
        checkpoint.save(out, parts.pop("kind"), **{k: v for k, v in parts.items() if k != "schema"} | {"step": 1})
    with caplog.at_level("INFO", "learn2dance"):
        _, taken = train(out, losses, resume=True)
    assert taken == [0, 1] and out.read_bytes() == good
    assert "does not belong to" in caplog.text


def test_other_data_start_again_and_other_hyperparameters_are_refused(tmp_path):
    train(tmp_path / "m.pt", [2.0, 1.0, 0.5], stop=1)
    with pytest.raises(UserError, match="cannot resume, --steps was 3; give the same values"):
        train(tmp_path / "m.pt", [2.0, 1.0], resume=True)
    assert train(tmp_path / "m.pt", [2.0, 1.0], parents=["new"], resume=True)[1] == [0, 1]


def test_a_model_of_another_version_of_the_trainer_is_trained_again(tmp_path, monkeypatch, caplog):
    losses = [2.0, 1.0]
    train(tmp_path / "m.pt", losses)
    assert train(tmp_path / "m.pt", losses, resume=True)[1] == []
    monkeypatch.setattr(training_run, "VERSION", training_run.VERSION + 1)
    assert not TrainingRun("pose_gan", tmp_path / "m.pt", arguments(losses), {"data": []}).is_up_to_date()
    with caplog.at_level("INFO", "learn2dance"):
        assert train(tmp_path / "m.pt", losses, resume=True)[1] == [0, 1]
    assert "the data or the program have changed since; training starts at step 0" in caplog.text


def test_divergence_names_the_model_that_remains(tmp_path):
    run, _ = train(tmp_path / "m.pt", [1.0])
    with pytest.raises(
        UserError, match="step 1: training diverged .loss inf.; .*m.pt is the last good model; try a low"
    ):
        run.diverged("loss inf")
    run.out.unlink()
    with pytest.raises(UserError, match="no model was saved"):
        run.diverged("loss inf")


def test_a_folder_is_no_model(tmp_path):
    with pytest.raises(UserError, match="found a folder, expected the name of a file"):
        train(tmp_path, [1.0])


@pytest.mark.parametrize(
    "changed",
    [{"rng": {}}, {"torch_rng": torch.zeros(3)}, {"step": -1}, {"step": "1"}, {"done": None}, {"network": 1.0},
     {"arguments": {"seed": torch.zeros(2)}}, {"best": None}],
)  # fmt: skip
def test_a_state_with_wrong_parts_starts_again(tmp_path, changed, caplog):
    out, losses = tmp_path / "m.pt", [3.0, 2.0]
    run, _ = train(out, losses, stop=1)
    parts = checkpoint.load(run.last, "pose_gan training")
    checkpoint.save(run.last, parts.pop("kind"), **{k: v for k, v in parts.items() if k != "schema"} | changed)
    with caplog.at_level("INFO", "learn2dance"):
        assert train(out, losses, resume=True)[1] == [0, 1]
    assert "m.last.pt: " in caplog.text


@pytest.mark.parametrize(
    "changed",
    [{"network": {}}, {"network": {"weight": torch.zeros(7)}}, {"optimiser": {}}, {"optimiser": {"state": {}}}],
)
def test_a_state_of_another_network_or_optimiser_is_refused(tmp_path, changed):
    run, _ = train(tmp_path / "m.pt", [3.0, 2.0], stop=1)
    parts = checkpoint.load(run.last, "pose_gan training")
    checkpoint.save(run.last, parts.pop("kind"), **{k: v for k, v in parts.items() if k != "schema"} | changed)
    with pytest.raises(UserError, match="m.last.pt: cannot resume, .*; remove it to start at step 0"):
        train(tmp_path / "m.pt", [3.0, 2.0], resume=True)
