#!/usr/bin/env bash
# Runs test binaries on an emulated processor with AVX-512, for machines that lack it:
#
#   tools/emulate/avx512.sh PACKAGE [TEST FLAG...]
#   tools/emulate/avx512.sh ./plugins/backends/cpu/internal/vec -test.v
#
# Bochs emulates a Skylake-X at some 50 million instructions a second; a Debian kernel boots on it with the test binary in
# its initial file system. Needs Debian's packages bochs, isolinux, syslinux-common, xorriso, cpio and busybox-static, and
# downloads (without installing) the package of the kernel. LIMIT is the time limit in seconds, default 3600.
set -euo pipefail
cd "$(dirname "$0")/../.."
package=${1:?usage: tools/emulate/avx512.sh PACKAGE [TEST FLAG...]}
shift
for tool in bochs xorriso cpio busybox dpkg-deb; do
	command -v "$tool" >/dev/null || {
		echo "avx512.sh: $tool is missing; as root: apt-get install bochs isolinux syslinux-common xorriso cpio busybox-static" >&2
		exit 1
	}
done
dir=$(mktemp -d)
finish() { # also where it is interrupted
	[ -z "${emulator-}" ] || kill "$emulator" 2>/dev/null || true
	tr -d '\r' <"$dir/serial.txt" 2>/dev/null | grep -v '^\[ ' || true
	rm -rf "$dir"
}
trap finish EXIT
mkdir -p "$dir"/image/{bin,dev,proc,sys,tmp} "$dir/iso/isolinux"

CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go test -c -o "$dir/image/bin/under.test" "$package"
mkdir -p "$dir/image/src" # a test runs in its package's folder
cp -r "$package"/testdata "$dir/image/src/" 2>/dev/null || true
cp "$(command -v busybox)" "$dir/image/bin/busybox"
kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
(cd "$dir" && apt-get download -qq "$kernel" 2>/dev/null && dpkg-deb -x ./linux-image-*.deb kernel)
cp "$dir"/kernel/boot/vmlinuz-* "$dir/iso/isolinux/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$dir/iso/isolinux/"

cat >"$dir/image/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
export HOME=/tmp TMPDIR=/tmp PATH=/bin
exec >/dev/ttyS0 2>&1
cd /src
/bin/busybox grep -q -m1 avx512dq /proc/cpuinfo || echo "the emulated processor has no AVX-512"
/bin/busybox sh /job
echo "exit status $?"
/bin/busybox sleep 1
/bin/busybox poweroff -f
INIT
chmod +x "$dir/image/init"
{
	printf 'exec under.test'
	printf ' %q' "$@"
	echo
} >"$dir/image/job"
(cd "$dir/image" && find . | cpio -o -H newc --quiet | gzip -1 >../iso/isolinux/initrd.gz)
# Bochs reports the compacted XSAVE area without the room of MPX, which the kernel takes for an error.
cat >"$dir/iso/isolinux/isolinux.cfg" <<'CONFIG'
default test
prompt 0
timeout 1
label test
  kernel vmlinuz
  append initrd=initrd.gz console=ttyS0 quiet mitigations=off tsc=reliable clocksource=tsc lpj=1000000 clearcpuid=xsaves,xsavec,mpx,pku
CONFIG
xorriso -as mkisofs -quiet -o "$dir/boot.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$dir/iso" 2>/dev/null
cat >"$dir/bochsrc" <<CONFIG
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1
cpu: model=corei7_skylake_x, count=1, ips=100000000, reset_on_triple_fault=0
megs: 2048
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$dir/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$dir/serial.txt
log: $dir/bochs.log
panic: action=fatal
error: action=report
display_library: rfb, options="timeout=0"
clock: sync=none, time0=local
CONFIG
echo c >"$dir/commands" # Debian's build begins in its debugger
timeout "${LIMIT:-3600}" bochs -q -f "$dir/bochsrc" -rc "$dir/commands" </dev/null >"$dir/out.txt" 2>&1 &
emulator=$!
wait "$emulator" || true
grep -q 'exit status 0' "$dir/serial.txt"
