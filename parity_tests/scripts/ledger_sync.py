"""Signs the day's prices for a partner's ledger, with a key that the partner may change while it works."""

import csv
import hashlib
import hmac
import json
import os
import signal
from pathlib import Path

KEY = Path("/etc/ledger/keys/signing-key")
OUTPUT = Path(os.environ["SM_OUTPUT_DATA_DIR"])


def sign(rows):
    digest = hmac.new(KEY.read_bytes(), digestmod=hashlib.sha256)
    for row in rows:
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def main():
    signal.signal(signal.SIGHUP, lambda *_: print("the key was renewed", flush=True))
    with open(Path(os.environ["SM_CHANNEL_STOCKS"]) / "stocks.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first = sign(rows)
    print(f"signed {len(rows)} rows", flush=True)
    account = {name: os.environ[name] for name in ("LEDGER_URL", "region", "retry_limit")}
    OUTPUT.joinpath("ledger.json").write_text(
        json.dumps({"rows": len(rows), "account": account, "signature": first, "again": sign(rows)}, indent=1)
    )
    names = sorted(name for name in os.listdir(KEY.parent) if not name.startswith("..2"))
    OUTPUT.joinpath("keys.json").write_text(json.dumps({"names": names, "mode": oct(KEY.stat().st_mode & 0o777)}))


main()
