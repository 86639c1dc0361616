package suite

import (
	"fmt"
	"slices"
	"strings"
)

// NoMatch is the error of a run of which Options.Only matches no case.
type NoMatch struct {
	Only string
	// Nearest are names of cases that have almost the pattern's text in them,
	// the nearest first.
	Nearest []string
}

// Error returns the pattern and the nearest names.
func (e *NoMatch) Error() string {
	s := fmt.Sprintf("no case of this target matches %q", e.Only)
	if len(e.Nearest) > 0 {
		s += "; the nearest are " + strings.Join(e.Nearest, ", ")
	}
	return s
}

// nearestNames bounds the names that an error gives, nearestText the letters of
// a pattern that are compared.
const (
	nearestNames = 3
	nearestText  = 64
)

// nearest returns the few names that come nearest to having the text of a
// pattern in them, in the order in which they are given where several are as
// near.
func nearest(pattern string, names []string) []string {
	text := strings.Map(func(c rune) rune {
		if strings.ContainsRune(`^$\()[]{}*+?|.`, c) {
			return -1
		}
		return c
	}, pattern)
	text = text[:min(len(text), nearestText)]
	type near struct {
		name string
		far  int
	}
	var l []near
	for _, name := range names {
		l = append(l, near{name, farFrom(text, name)})
	}
	slices.SortStableFunc(l, func(a, b near) int { return a.far - b.far })
	var best []string
	for _, n := range l[:min(len(l), nearestNames)] {
		best = append(best, n.name)
	}
	return best
}

// farFrom is the least number of bytes to insert, delete or replace that makes
// text a part of name: Sellers' algorithm, that is Levenshtein's distance whose
// first row is zero and whose least value in the last row counts.
func farFrom(text, name string) int {
	above, row := make([]int, len(name)+1), make([]int, len(name)+1)
	for i := range len(text) {
		row[0] = i + 1
		for j := range len(name) {
			replace := above[j]
			if text[i] != name[j] {
				replace++
			}
			row[j+1] = min(replace, above[j+1]+1, row[j]+1)
		}
		above, row = row, above
	}
	return slices.Min(above)
}
