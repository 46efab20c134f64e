// What the console uses of htm and Preact, for `tsc`. Nothing here runs.

export type Node = any;
export function html(strings: TemplateStringsArray, ...values: unknown[]): Node;
export function render(what: Node, where: Element): void;

type Next<T> = T | ((before: T) => T);
type Undo = void | (() => void);
export function useState<T>(first: T | (() => T)): [T, (next: Next<T>) => void];
export function useState<T = undefined>(): [T | undefined, (next: Next<T | undefined>) => void];
export function useEffect(act: () => Undo, of?: readonly unknown[]): void;
export function useMemo<T>(make: () => T, of: readonly unknown[]): T;
export function useCallback<T extends (...given: any[]) => unknown>(act: T, of: readonly unknown[]): T;
export function useRef<T>(first: T): { current: T };
