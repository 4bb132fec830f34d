"""One client of one RBD image, as QEMU is: it opens the image, writes when told to, and is killed or frozen by the test.

    rbd_client.py CONF POOL IMAGE       then on standard input: "write", "put HEX", "lock COOKIE", "close"; one answer for each line
"""
import sys

import rados
import rbd


def main(conf: str, pool: str, name: str) -> None:
    cluster = rados.Rados(conffile=conf)
    cluster.connect(timeout=20)
    image = rbd.Image(cluster.open_ioctx(pool), name)
    print(cluster.get_addrs(), flush=True)
    for line in sys.stdin:
        word, *arguments = line.split()
        try:
            if word == "write":
                image.write(b"x" * 512, 0)
                image.flush()
            elif word == "put":
                image.write(bytes.fromhex(arguments[0]), 0)
                image.flush()
            elif word == "lock":
                image.lock_exclusive(arguments[0])
            elif word == "close":
                image.close()
            print("ok", flush=True)
        except (rbd.Error, rados.Error) as error:
            print(f"error {error.errno}", flush=True)


main(*sys.argv[1:])
