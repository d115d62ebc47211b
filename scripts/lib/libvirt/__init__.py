# SPDX-License-Identifier: GPL-2.0-or-later
"""
What scripts/check-libvirt and scripts/demo-libvirt do: two hosts, each with an
unmodified libvirtd, and a guest that virsh migrates between them.

node.sh     what makes a host of a process: directories, name
node.py     a host: its libvirtd, its guest's ticks, its simulated devices
tree.py     libvirt itself
link.py     the network between the two
hosts.py    the two, a guest, and its migration
jobinfo.py  what "virsh domjobinfo" prints
cases.py    the cases of check-libvirt
"""
