package isa

// A round is 16 independent vector fmas: what latency (4 cycles) times the most units (4) needs.
func flopsPerRound(p Path) int {
	if p == NEON {
		return 16 * 4 * 2
	}
	return 16
}

func fmaRounds(p Path, rounds int) {
	if p == NEON {
		fmaRoundsNEON(rounds)
		return
	}
	scalarRounds(rounds, 0.5, 0.25) //nolint:staticcheck // SA4017: the work itself is what is timed
}

//go:noescape
func fmaRoundsNEON(rounds int)
