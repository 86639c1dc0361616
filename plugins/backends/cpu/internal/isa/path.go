package isa

import (
	"fmt"
	"os"
	"runtime"
)

// EnvVar is the environment variable that forces a path.
const EnvVar = "SEEDBED_CPU"

// Path names a family of kernels. All paths give the same bits.
type Path uint8

// The paths, from the slowest to the fastest.
const (
	Portable Path = iota // plain Go, every machine
	AVX2                 // x86-64 with AVX2, FMA and BMI2
	AVX512               // AVX2 and AVX-512 F, VL, DQ, BW
	NEON                 // arm64, every machine
)

var names = [...]string{Portable: "portable", AVX2: "avx2", AVX512: "avx512", NEON: "neon"}

func (p Path) String() string {
	if int(p) < len(names) {
		return names[p]
	}
	return fmt.Sprintf("Path(%d)", uint8(p))
}

// Paths returns every path; of those that a machine supports, slower ones come first.
func Paths() []Path { return []Path{Portable, AVX2, AVX512, NEON} }

// List names every path, for messages.
func List() string { return "portable, avx2, avx512 or neon" }

// Supported says whether this processor and operating system can run p.
func (p Path) Supported() bool {
	switch p {
	case Portable:
		return true
	case AVX2:
		return hasAVX2()
	case AVX512:
		return hasAVX2() && hasAVX512()
	case NEON:
		return runtime.GOARCH == "arm64"
	}
	return false
}

// Detect returns the path to use: the one that SEEDBED_CPU names, or the fastest if it is unset or empty. A name that is unknown or
// that this machine cannot run is an error.
func Detect() (Path, error) {
	p, err := choose(os.Getenv(EnvVar), Path.Supported)
	if err != nil {
		return Portable, fmt.Errorf("%s: %w", EnvVar, err)
	}
	return p, nil
}

func choose(name string, supported func(Path) bool) (Path, error) {
	best := Portable
	for _, p := range Paths() {
		if supported(p) {
			best = p
		}
		if p.String() != name {
			continue
		}
		if !supported(p) {
			return Portable, fmt.Errorf("%q needs instructions that this machine lacks; unset it to use %s", name, best)
		}
		return p, nil
	}
	if name != "" {
		return Portable, fmt.Errorf("%q is no kernel path; use %s, or unset it to use %s", name, List(), best)
	}
	return best, nil
}
