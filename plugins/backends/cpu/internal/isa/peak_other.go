//go:build !amd64 && !arm64

package isa

func flopsPerRound(Path) int { return 16 }

func fmaRounds(_ Path, rounds int) { scalarRounds(rounds, 0.5, 0.25) }
