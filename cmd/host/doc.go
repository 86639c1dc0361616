// Command host trains neural networks out of plugins. Its commands are in one
// file each, named after them.
package main
