/**
 * The YAML parser, in a module of its own so that it is loaded only when there is YAML to read.
 */
export { isMap, isScalar, LineCounter, parseDocument } from "yaml"
