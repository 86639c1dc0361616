// Command barlow-twins is an objective plugin of Seedbed in a module of its own:
// Barlow Twins (Zbontar et al., arXiv 2103.03230). It imports Seedbed's abi
// packages only. Start reading at objective.go.
package main

import "github.com/seedbed/seedbed/abi/plugin"

func main() { plugin.ServeObjective(Objective{}) }
