# SPDX-License-Identifier: GPL-2.0-or-later
# Each target calls one script; scripts/NAME --help describes it.  BASE, PROFILE, SVG
# and PEER reach the scripts through the environment.

.PHONY: help configure all build stock sim check check-sim check-kernel \
	check-bases check-demo check-compat check-libvirt demo-libvirt check-policies \
	check-faults check-streams check-fuzz check-sanitizers check-mutants \
	check-series check-bisect lint refresh port export sim-dist dist deb \
	check-deb demo bench clean distclean
# One script at a time: each of them uses all processors
.NOTPARALLEL:

pattern = $(if $(TEST),'--test=$(TEST)')

help:
	@echo 'make demo          migrate a guest with a simulated vGPU, and watch it'
	@echo '                   (PROFILE=NAME: another device; SVG=FILE: draw it)'
	@echo 'make all           get QEMU, apply the series, build'
	@echo 'make check         build, run the tests (TEST=PATTERN: some of them)'
	@echo 'make check-kernel  run the tests with devices on a real Linux VFIO core,'
	@echo '                   in a virtual machine (TEST=PATTERN: some of them)'
	@echo 'make bench         compare with unchanged QEMU, in numbers'
	@echo '                   (PEER=/path/to/qemu-system-x86_64: and a third one)'
	@echo
	@echo 'BASE=10.0 behind any of them: on another QEMU than the newest'
	@echo
	@echo 'make check-sim     build and test the simulator alone (seconds)'
	@echo 'make check-bases   unit and VFIO tests, and check-series, on all other bases'
	@echo 'make check-demo    test what the demo shows'
	@echo 'make check-compat  migrate to and from other QEMUs, of Debian and unmodified'
	@echo '                   (COMPAT=--quick: less than a minute)'
	@echo 'make check-libvirt let unmodified libvirt migrate between two hosts'
	@echo '                   (LIBVIRT=--suite=patched: with patches/libvirt)'
	@echo 'make demo-libvirt  the same, to be watched (RATE=1gbit)'
	@echo 'make check-policies let the rules of management software drive migrations'
	@echo '                   (half an hour)'
	@echo 'make check-faults  migrate while something fails, and see that one side'
	@echo '                   runs the guest (FAULTS=--quick: five minutes)'
	@echo 'make check-streams send damaged streams to QEMUs that wait for a guest'
	@echo '                   (STREAMS=--quick: a minute)'
	@echo 'make check-fuzz    look for inputs that harm a destination, with libFuzzer'
	@echo '                   (FUZZ=--seconds=3600)'
	@echo 'make check-sanitizers'
	@echo '                   the tests of the series, failures and damaged streams'
	@echo '                   with ASan and UBSan, and the VFIO tests with TSan'
	@echo 'make check-mutants change the decision about the switchover in many ways,'
	@echo '                   and see whether its tests notice'
	@echo 'make check-series  test the rules of the patch series'
	@echo 'make check-bisect  build and test every commit of the series'
	@echo 'make lint          check the sources without running them'
	@echo 'make refresh       turn the commits in build/<base>/src into patches'
	@echo 'make port VERSION=N bring a base to another point release (BASE=10.0)'
	@echo 'make export        write the series for "git am"'
	@echo 'make sim-dist      make a tarball of the simulator alone'
	@echo 'make dist          all that a release consists of'
	@echo "make deb           packages: Debian 13's QEMU with the series, and the"
	@echo '                   simulator (a quarter of an hour)'
	@echo 'make check-deb     install and try these packages'
	@echo 'make configure     get and prepare the sources, build nothing'
	@echo 'make stock         build unchanged QEMU too'
	@echo 'make clean         remove the builds'
	@echo 'make distclean     remove all of build/, with the downloads'

configure:
	@./configure

all build:
	@scripts/build

stock:
	@scripts/build --with-stock

sim:
	@scripts/build --only=sim

check:
	@scripts/check $(pattern)

check-sim:
	@scripts/check --only=sim $(pattern)

check-kernel:
	@scripts/check-kernel $(pattern)

check-bases:
	@scripts/check-bases

check-demo:
	@[ -x /usr/bin/python3 ] || scripts/deps
	@/usr/bin/python3 scripts/check-demo

check-compat:
	@[ -x /usr/bin/python3 ] || scripts/deps
	@/usr/bin/python3 scripts/check-compat $(COMPAT)

check-libvirt:
	@[ -x /usr/bin/python3 ] || scripts/deps
	@/usr/bin/python3 scripts/check-libvirt $(LIBVIRT)

check-policies:
	@[ -x /usr/bin/python3 ] || scripts/deps
	@/usr/bin/python3 scripts/check-policies

demo-libvirt:
	@[ -x /usr/bin/python3 ] || scripts/deps
	@/usr/bin/python3 scripts/demo-libvirt $(if $(RATE),--rate=$(RATE))

check-faults:
	@[ -x /usr/bin/python3 ] || scripts/deps
	@/usr/bin/python3 scripts/check-faults $(FAULTS)

check-streams:
	@[ -x /usr/bin/python3 ] || scripts/deps
	@/usr/bin/python3 scripts/check-streams $(STREAMS)

check-fuzz:
	@[ -x /usr/bin/python3 ] || scripts/deps
	@/usr/bin/python3 scripts/check-fuzz $(FUZZ)

check-sanitizers:
	@scripts/check-sanitizers

check-mutants:
	@[ -x /usr/bin/python3 ] || scripts/deps
	@/usr/bin/python3 scripts/check-mutants

check-series:
	@scripts/check-series

check-bisect:
	@scripts/check-bisect

lint:
	@scripts/lint

refresh:
	@scripts/refresh

port:
	@scripts/port $(BASE) $(VERSION)

export:
	@scripts/export

sim-dist:
	@scripts/sim-dist

dist:
	@scripts/dist

deb:
	@scripts/deb

check-deb:
	@scripts/check-deb

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
