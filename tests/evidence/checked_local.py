"""`lyftlearn-image local` as it is, whose every answer is held against botocore's model of it: breaches go to a file.

`python -m tests.evidence.checked_local FILE [options of local]`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lyftlearn_image.cli.main import main
from tests.emulation.sagemaker.answers import all_answers_checked

if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.argv = ["lyftlearn-image", "local", *sys.argv[2:]]

    def keep(breach: str) -> None:
        """Writes one breach."""
        with place.open("a") as file:
            file.write(f"{breach}\n")

    with all_answers_checked(keep):
        main()
