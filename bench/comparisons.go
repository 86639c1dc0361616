package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// readList reads a file of measurements, of which there is none yet if it does not exist.
func readList[T any](path string) (list []T, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// merge puts x into a list, in the place of what is the same by the order, in which the list is then, and writes it to the file.
func merge[T any](path string, list []T, x T, order func(a, b T) int) ([]T, error) {
	list = append(slices.DeleteFunc(list, func(o T) bool { return order(o, x) == 0 }), x)
	slices.SortFunc(list, order)
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return nil, err
	}
	return list, os.WriteFile(path, append(text, '\n'), 0o666)
}

// readComparisons reads and checks a file of comparisons.
func readComparisons(path string) ([]*comparison, error) {
	list, err := readList[*comparison](path)
	for _, c := range list {
		if c == nil || c.Model == "" || c.Peer == "" || len(c.Ratios) == 0 || !(slices.Min(c.Ratios) > 0) {
			return nil, fmt.Errorf("%s: a comparison without model, peer or ratios", path)
		}
	}
	return list, err
}

// mergeComparisons puts c into the file and draws the plot beside it.
func mergeComparisons(path string, c *comparison) error {
	list, err := readComparisons(path)
	if err != nil {
		return err
	}
	list, err = merge(path, list, c, func(a, b *comparison) int {
		return cmp.Or(strings.Compare(a.Model, b.Model), strings.Compare(a.Peer, b.Peer))
	})
	if err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(path, filepath.Ext(path))+".svg", []byte(ratiosPlot(list)), 0o666)
}

// ratiosPlot draws a bar for each comparison, as long as the median ratio, with a line from the least to the most.
func ratiosPlot(list []*comparison) string {
	const left, width, bar, gap, top = 400, 420, 16, 8, 60
	most := 1.5
	for _, c := range list {
		most = max(most, slices.Max(c.Ratios)*1.05)
	}
	x := func(ratio float64) float64 { return left + width*ratio/most }
	height := top + len(list)*(bar+gap) + 30
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", left+width+60, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="10" y="20" font-size="15">Training steps: the peer's time over the project's (longer is faster)</text>`+"\n")
	if len(list) > 0 {
		fmt.Fprintf(&b, `<text x="10" y="40" fill="#555">%s, %d threads, fp32; lines from the least to the most of all pairs</text>`+"\n", html.EscapeString(list[0].CPU), list[0].Threads)
	}
	for i, c := range list {
		y := top + i*(bar+gap)
		color := "#3572b0"
		if c.Ratio < 1 {
			color = "#b05535"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s, %s</text>`, left-8, y+bar-4, html.EscapeString(c.Model), html.EscapeString(c.Peer))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, left, y, x(c.Ratio)-left, bar, color)
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="black"/>`, x(slices.Min(c.Ratios)), x(slices.Max(c.Ratios)), y+bar/2, y+bar/2)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%.2f</text>`+"\n", x(slices.Max(c.Ratios))+5, y+bar-4, c.Ratio)
	}
	fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#999" stroke-dasharray="3 3"/><text x="%.1f" y="%d" text-anchor="middle" fill="#555">1: equal</text>`+"\n</svg>\n",
		x(1), x(1), top-6, height-24, x(1), height-8)
	return b.String()
}
