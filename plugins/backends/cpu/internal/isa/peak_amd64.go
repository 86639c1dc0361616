package isa

// A round is 12 independent vector fmas: more than latency (4 or 5 cycles) times the two units need.
func flopsPerRound(p Path) int {
	switch p {
	case AVX2:
		return 12 * 8 * 2
	case AVX512:
		return 12 * 16 * 2
	}
	return 16
}

func fmaRounds(p Path, rounds int) {
	switch p {
	case AVX2:
		fmaRoundsAVX2(rounds)
	case AVX512:
		fmaRoundsAVX512(rounds)
	default:
		scalarRounds(rounds, 0.5, 0.25) //nolint:staticcheck // SA4017: the work itself is what is timed
	}
}

//go:noescape
func fmaRoundsAVX2(rounds int)

//go:noescape
func fmaRoundsAVX512(rounds int)
