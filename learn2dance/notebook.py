"""Run a notebook as a stage, without a browser: set its parameters, print its output, save the executed copy.

Reads   the notebook, and what its cells read
Writes  DATA/notebooks/<notebook>.ipynb, with figures, and what its cells write

A notebook whose metadata list these files ({"learn2dance": {"reads": ["audio"], "writes": ["music"]}}, in DATA) is not
executed again as long as nothing has changed: none of the files, nor the notebook, its parameters, or this package.

    python -m learn2dance.notebook Process_Waves.ipynb data -p JOBS 2
"""

import ast
import builtins
import hashlib
import json
import logging
import os
import re
import sys
from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.errors import UserError, one_line

ROOT = Path(__file__).parents[1]  # working folder of the kernel, so that its cells import this learn2dance


def main(argv: list[str] | None = None) -> None:
    """Execute the notebook with papermill; errors and exit codes are those of any stage."""
    parser = cli.parser(__doc__, "quiet")
    parser.add_argument("notebook", help="e.g. Process_Waves.ipynb")
    parser.add_argument("data", metavar="DATA", help="data root: the notebook's parameter DATA")
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="another parameter")
    args = parser.parse_args(argv)
    cli.setup(args.quiet)
    from learn2dance.data import data_root
    from learn2dance.data.clip_names import fits_tables

    notebook = cli.existing_path(args.notebook, "notebook")
    data = data_root.open_root(args.data).path.resolve()
    if not fits_tables(str(data)):
        raise UserError(f"{str(data)!a}: expected a path in UTF-8, for the notebook; rename its folders")
    target = data / "notebooks" / f"{notebook.stem}.ipynb"
    parameters = {"DATA": str(data)} | dict(args.p)
    if _is_up_to_date(notebook, target, parameters):
        log.info("%s: nothing has changed since it was executed; look at it in %s", notebook.name, target)
    else:
        execute(notebook, target, parameters, args.quiet)
        log.info("%s executed: look at it in %s", notebook.name, target)


def execute(notebook: Path, target: Path, parameters: dict, quiet: bool = False) -> None:
    """Execute a notebook in this interpreter's environment; save the executed copy as ``target`` if all cells succeed.

    ``parameters`` are values (str) for names that the notebook's cell tagged ``parameters`` sets; they are converted to
    the type of their defaults. ``quiet`` prints only what the cells write to stderr.

    Raises a UserError if it is not a notebook, a parameter is unknown or of another type, a cell raised a UserError or
    an OSError, or the kernel died; and KeyboardInterrupt if Ctrl-C interrupts a cell. After any other exception in a
    cell, its traceback is printed and the process exits with code 1.
    """
    # The package checks internationalised addresses for jsonschema, which does without it. Its import takes a second.
    sys.modules.setdefault("rfc3987_syntax", None)
    import nbclient
    import nbformat
    import papermill
    from traitlets.config import Config

    from learn2dance.data.temporary import atomic, temporary_folder

    if notebook.suffix != ".ipynb":
        raise UserError(f"{notebook}: not a notebook, expected a name that ends in .ipynb")
    for noisy in ("papermill", "asyncio"):  # after Ctrl-C, asyncio reports that the kernel died
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        known = papermill.inspect_notebook(str(notebook))
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise UserError(f"{notebook}: not a notebook ({str(error).splitlines()[0][:100]})") from None
    values = {name: _value(notebook, known, name, text) for name, text in parameters.items()}
    with atomic(target) as temporary, temporary_folder() as private:
        # Use this environment's kernel, and write nothing to the user's home. JUPYTER_PATH would come first.
        os.environ.pop("JUPYTER_PATH", None)
        os.environ |= {"JUPYTER_PREFER_ENV_PATH": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        os.environ |= dict.fromkeys(("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"), str(private))
        profile = private / "profile_default"
        profile.mkdir()
        (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 'CRITICAL'\n")
        config = Config(KernelManager={"connection_file": str(private / "kernel.json")})
        streams = {"stdout_file": None if quiet else sys.stdout, "stderr_file": sys.stderr, "progress_bar": False}
        options = streams | {"kernel_name": "python3", "cwd": ROOT, "config": config}
        before = _state(notebook, parameters, "reads")
        try:
            papermill.execute_notebook(notebook, temporary, values, **options)
        except papermill.PapermillExecutionError as error:
            _end(notebook, error)
        except nbclient.exceptions.DeadKernelError:
            cause = "probably because memory ran out or compiled code crashed; files already written are complete"
            raise UserError(f"{notebook}: its kernel died, {cause}") from None
        executed = json.loads(temporary.read_text(encoding="utf-8"))
        executed["metadata"]["executed"] = {"reads": before, "writes": _state(notebook, parameters, "writes")}
        temporary.write_text(json.dumps(executed, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _is_up_to_date(notebook: Path, target: Path, parameters: dict) -> bool:
    """Return whether ``target`` is the executed copy, and nothing that the notebook reads or writes has changed."""
    try:
        executed = json.loads(target.read_text(encoding="utf-8"))["metadata"]["executed"]
        states = {kind: _state(notebook, parameters, kind) for kind in ("reads", "writes")}
    except (OSError, ValueError, LookupError, TypeError):  # missing, or not written by `execute`
        return False
    return None not in states.values() and states == executed


def _state(notebook: Path, parameters: dict, kind: str) -> str | None:
    """Hash the files that a notebook ``reads`` or ``writes`` (their names, sizes and times), and what else matters.

    Returns None if its metadata do not list them.
    """
    content = notebook.read_bytes()
    names = json.loads(content)["metadata"].get("learn2dance", {}).get(kind)
    if names is None:
        return None
    total = hashlib.sha256(content + repr(sorted(parameters.items())).encode())
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        total.update(file.read_bytes())
    data = Path(parameters["DATA"])
    for name in names:
        for file in sorted([data / name, *(data / name).rglob("*")]):
            if file.exists() and not file.is_dir():
                about = file.stat()
                total.update(f"{file.relative_to(data)}\0{about.st_size} {about.st_mtime_ns}\n".encode())
    return total.hexdigest()


def _end(notebook: Path, error: Exception) -> None:
    """Raise or exit according to the exception in the cell behind this PapermillExecutionError."""
    kind = getattr(builtins, error.ename, Exception)
    if error.ename == "UserError" or issubclass(kind, OSError):
        raise UserError(_as_in_scripts(error.evalue)) from None
    if kind is KeyboardInterrupt:
        raise KeyboardInterrupt from None
    lines = "\n".join([f"{notebook}, cell {error.exec_count}:", *error.traceback])
    print(lines if sys.stderr.isatty() else re.sub(r"\x1b\[[\d;]*m", "", lines), file=sys.stderr)
    sys.exit(1)


def _as_in_scripts(text: str) -> str:
    """Return the text of an ``OSError``, ``[Errno 28] reason: 'file'``, as `errors.one_line` words it; others as is."""
    found = re.fullmatch(r"\[Errno \d+\] (.*?)(?:: ('.*?'|\".*?\")(?: -> .*)?)?", text)
    if not found:
        return text
    return one_line(OSError(0, found[1], found[2] and ast.literal_eval(found[2])))


def _value(notebook: Path, known: dict, name: str, text: str) -> object:
    """Convert a parameter from the command line: a string, or a literal of the default's type."""
    if name not in known:
        raise UserError(f"{notebook}: no parameter {name}, expected one of {', '.join(known)}")
    default = ast.literal_eval(known[name]["default"])
    if isinstance(default, str):
        return text
    try:
        return type(default)(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError):
        raise UserError(f"{notebook}: {name} is {text!r}, expected {type(default).__name__}, as {default!r}") from None


if __name__ == "__main__":
    cli.run(main)
