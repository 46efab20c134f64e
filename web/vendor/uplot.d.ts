// What the console uses of uPlot, for `tsc`. Nothing here runs.

declare const uPlot: any;
export default uPlot;
