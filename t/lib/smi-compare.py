# What nvidia-smi -q -x of a real board has a value for and of a virtual one says N/A: smi-compare.py REAL OURS GPU
# Elements that only one of the two nvidia-smis knows are passed over; what can't be had is named here, with the reason.
import sys
import xml.etree.ElementTree as E

ABSENT = {
    "inforom_bbx_flush/latest_timestamp": "no black box",
    "inforom_bbx_flush/latest_duration": "no black box",
}


def leaves(gpu):
    out = {}

    def walk(e, path):
        if not len(e):
            out.setdefault(path, (e.text or "").strip())
        for child in e:
            walk(child, path + "/" + child.tag if path else child.tag)

    walk(gpu, "")
    return out


def told(value):
    return value not in ("N/A", "") and not value.startswith("Requested functionality")


real = leaves(E.parse(sys.argv[1]).getroot().find("gpu"))
ours = leaves(E.parse(sys.argv[2]).getroot().findall("gpu")[int(sys.argv[3])])
for path, value in real.items():
    if path in ours and told(value) and not told(ours[path]) and path not in ABSENT:
        print("%s: %s, here %s" % (path, value, ours[path]))
