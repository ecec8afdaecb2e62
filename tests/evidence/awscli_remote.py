"""Runs in an environment that has the AWS CLI: commands, one after the other, in one process that the CLI's own driver reads.

The order has `commands`, by name; the answer the exit code and both streams of each. For the rest see remote_program.py.
"""

import contextlib
import io

import remote_program

remote_program.shorten_waits(0.2)

from awscli.clidriver import create_clidriver  # noqa: E402


def run(arguments):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            code = create_clidriver().main(arguments)
        except SystemExit as ended:
            code = ended.code
    out, err = (stream.buffer.getvalue().decode() for stream in streams)
    return {"code": code, "out": out, "err": err}


order = remote_program.read_order()
remote_program.write_answer(order, {name: run(arguments) for name, arguments in order["commands"].items()})
