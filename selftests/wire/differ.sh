#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# differ.py over each of FAMILIES, in a namespace of its own, in the VM; arguments are passed on. Fails
# if either does.
status=0
for family in ${FAMILIES:-inet inet6}; do
	RUSTTCP_FAMILY=$family unshare -n bash -c \
		'ip link set lo up; cd selftests/wire && exec /usr/bin/python3 -B differ.py "$@"' bash "$@" || status=1
done
exit $status
