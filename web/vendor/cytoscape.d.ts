// What the console uses of Cytoscape, for `tsc`. Nothing here runs.

declare const cytoscape: (options: object) => any;
export default cytoscape;
