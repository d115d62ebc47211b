# SPDX-License-Identifier: GPL-2.0-or-later
# Each target calls one script; scripts/NAME --help tells more.  PROFILE and PEER
# reach theirs through the environment.

.PHONY: help configure all build stock sim check check-sim check-kernel \
	check-series check-bisect refresh export demo bench clean distclean
# One script at a time: each uses all processors by itself
.NOTPARALLEL:

help:
	@echo 'make demo          migrate a guest with a simulated vGPU, and watch'
	@echo '                   (PROFILE=FILE: another device)'
	@echo 'make check         build all, run all tests'
	@echo 'make all           get QEMU, apply the series, build'
	@echo 'make bench         compare with unchanged QEMU, in numbers'
	@echo '                   (PEER=/path/to/qemu-system-x86_64: one more)'
	@echo
	@echo 'make check-sim     build and test the simulator alone (seconds)'
	@echo 'make check-kernel  the same scenarios on a real Linux VFIO core, in a VM'
	@echo 'make check-series  prove the rules of the patch series'
	@echo 'make check-bisect  build and test every commit of the series'
	@echo 'make refresh       commits in build/<base>/src become patches'
	@echo 'make export        write the series for "git am"'
	@echo 'make configure     get and prepare all, build nothing'
	@echo 'make stock         build unchanged QEMU too'
	@echo 'make clean         remove what was built'
	@echo 'make distclean     remove all of build/, downloads too'

configure:
	@./configure

all build:
	@scripts/build

stock:
	@scripts/build --stock

sim:
	@scripts/build --sim

check:
	@scripts/check

check-sim:
	@scripts/check --only=sim

check-kernel:
	@scripts/check-kernel

check-series:
	@scripts/check-series

check-bisect:
	@scripts/check-bisect

refresh:
	@scripts/refresh

export:
	@scripts/export

demo:
	@[ -x /usr/bin/python3 ] || scripts/deps
	@/usr/bin/python3 scripts/demo

bench:
	@[ -x /usr/bin/python3 ] || scripts/deps
	@/usr/bin/python3 scripts/bench

clean:
	@scripts/clean

distclean:
	@scripts/clean --all
