package t5

import "math/big"

// buckets returns the bucket of each relative position, key minus query, from
// -(queries-1) to keys-1 (Raffel et al., section 2.1; the buckets are those of
// the released code): small distances have a bucket each, larger ones share
// buckets of logarithmic width up to most. Without both directions, keys after
// the query are all in bucket 0.
func buckets(queries, keys, count, most int, both bool) []int32 {
	out := make([]int32, 0, queries+keys-1)
	if both {
		count /= 2
	}
	exact := count / 2
	edges := logEdges(exact, count, most)
	for d := 1 - queries; d < keys; d++ {
		bucket, distance := 0, -d
		if both && d > 0 {
			bucket, distance = count, d
		}
		switch distance = max(distance, 0); {
		case distance < exact:
			bucket += distance
		default:
			b := exact
			for b < count-1 && distance >= edges[b-exact] {
				b++
			}
			bucket += b
		}
		out = append(out, int32(bucket))
	}
	return out
}

// logEdges returns, for k = 1, 2, ..., the least distance n with
// log(n/exact) / log(most/exact) * (count-exact) >= k, in whole numbers:
// n^m exact^k >= exact^m most^k where m = count-exact.
func logEdges(exact, count, most int) (edges []int) {
	m := count - exact
	power := func(base, exponent int) *big.Int {
		return new(big.Int).Exp(big.NewInt(int64(base)), big.NewInt(int64(exponent)), nil)
	}
	n := exact
	for k := 1; k < m; k++ {
		for right := new(big.Int).Mul(power(exact, m), power(most, k)); new(big.Int).Mul(power(n, m), power(exact, k)).Cmp(right) < 0; {
			n++
		}
		edges = append(edges, n)
	}
	return edges
}
