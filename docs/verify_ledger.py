#!/usr/bin/env python3
"""Proves an export of PilotDeck's ledger, as ledger.md specifies it: verify_ledger.py EXPORT ed25519:KEY..."""
import hashlib, json, re, sys

LINE = re.compile(rb'\{"hash":"([0-9a-f]{64})","line":(\{.*\})\}\n')
CHECKPOINT = re.compile(
    rb'\{"checkpoint":(\{"hash":"([0-9a-f]{64})","key":"ed25519:([0-9a-f]{64})","previous":(\d+),"seq":(\d+),'
    rb'"ts":"([^"\\]*)","type":"pilotdeck\.ledger\.checkpoint/1"\}),"signature":"([0-9a-f]{128})"\}\n')

# Ed25519 (RFC 8032, section 5.1). A point is x, y, z and t with x/z and y/z on the curve and t = x*y/z.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

def point(raw):
    y = int.from_bytes(raw, "little") % 2**255
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    x = x if v * x * x % P == u else x * pow(2, (P - 1) // 4, P) % P
    if y >= P or v * x * x % P != u:
        raise ValueError("not on the curve")
    x = x if x % 2 == raw[31] >> 7 else -x % P
    return x, y, 1, x * y % P
def add(a, b):
    s, t = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0])
    c, d = 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    e, f, g, h = t - s, d - c, d + c, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P
def times(number, a):
    return (0, 1, 1, 0) if number == 0 else add(times(number // 2, add(a, a)), a if number % 2 else (0, 1, 1, 0))

def holds(key, text, signature):
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % ORDER
    base = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    a, b = times(s, base), add(point(signature[:32]), times(k, point(key)))
    return s < ORDER and (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0

def verify(lines, keys):
    seq, head, proven = 0, b"0" * 64, 0
    for number, raw in enumerate(lines, 1):
        def check(is_right, reason):
            is_right or sys.exit(f"broken at line {number} (after seq {seq}): {reason}")
        if line := LINE.fullmatch(raw):
            check(hashlib.sha256(line[2]).hexdigest().encode() == line[1], "altered")
            content = json.loads(line[2])
            check(content["seq"] == seq + 1, f"removed, repeated or reordered: seq {content['seq']} stands here")
            check(content["prevHash"].encode() == head, "this line or the one before it was altered, its hash, too")
            seq, head = content["seq"], line[1]
            continue
        mark = CHECKPOINT.fullmatch(raw)
        check(mark, "neither a whole line of a ledger nor a checkpoint")
        check(mark[3].decode() in keys, f"signed with another key: ed25519:{mark[3].decode()}")
        check(holds(bytes.fromhex(mark[3].decode()), mark[1], bytes.fromhex(mark[7].decode())), "the signature is wrong")
        check(int(mark[5]) == seq and mark[2] == head, f"not the line that was signed as seq {int(mark[5])}")
        check(int(mark[4]) == proven, f"the checkpoint before it was of seq {int(mark[4])}: removed or repeated")
        proven = seq
    proven or sys.exit("nothing is proven: there is no checkpoint")
    print(f"proven: seq 1 to {proven}; not proven: {seq - proven} lines after it")

verify(open(sys.argv[1], "rb"), [key.removeprefix("ed25519:") for key in sys.argv[2:]])
