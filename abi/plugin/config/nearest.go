package config

import (
	"strings"
	"unicode/utf8"
)

// Nearest returns the name that a word was most likely meant to be, without regard to case: the one that it is at most a few letters from
// by Levenshtein's distance, or else the only one that begins with it, or else the only one that has it within. It returns "" if there
// is none.
func Nearest(word string, names []string) string {
	const most = 64 // letters
	if word == "" || len(word) > most {
		return ""
	}
	word = strings.ToLower(word)
	best, bestDistance := "", max(utf8.RuneCountInString(word)/3, 1)+1
	var beginning, having []string
	for _, name := range names {
		lower := strings.ToLower(name)
		if d := distance(word, lower); d < bestDistance {
			best, bestDistance = name, d
		}
		switch at := strings.Index(lower, word); {
		case at == 0:
			beginning = append(beginning, name)
		case at > 0:
			having = append(having, name)
		}
	}
	switch {
	case best != "":
		return best
	case len(beginning) == 1:
		return beginning[0]
	case len(beginning) == 0 && len(having) == 1:
		return having[0]
	}
	return ""
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that lead from a to b (optimal string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, above, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range above {
		above[j] = j
	}
	for i := range s {
		row[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, above[j]+cost)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(t)]
}
