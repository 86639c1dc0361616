package vec

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPick(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 9))
		for _, n := range []int{0, 1, 7, 8, 9, 16, 31, 64, 100} {
			for name, pick := range map[string]func([]uint32, []float32, []float32, uint32){"largest": PickLargest, "smallest": PickSmallest} {
				best, top := make([]uint32, n+1), make([]float32, n+1)
				wantBest, wantTop := make([]uint32, n), make([]float32, n)
				for number := range uint32(9) {
					a := make([]float32, n)
					for i := range a {
						a[i] = float32(r.IntN(3))
						if r.IntN(2) == 0 {
							a[i] = specials[r.IntN(len(specials))]
						}
						old := wantTop[i]
						beyond := a[i] > old
						if name == "smallest" {
							beyond = a[i] < old
						}
						if number == 0 || beyond || a[i] != a[i] && old == old {
							wantBest[i], wantTop[i] = number, a[i]
						}
					}
					if number == 0 {
						copy(top, a)
						clear(best)
						top[n], best[n] = 77, 77
						continue
					}
					pick(best[:n], top[:n], a, number)
					requireSame(t, wantTop, top[:n], name)
					require.Equal(t, wantBest, best[:n])
					require.Equal(t, float32(77), top[n])
					require.Equal(t, uint32(77), best[n])
				}
			}
		}
	})
}
