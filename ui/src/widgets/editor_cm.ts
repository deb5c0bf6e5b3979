// The full editor, loaded on demand: highlighting, completion from the server, squiggles, signatures.
// It lives in a shadow root, where its styles are adopted sheets: the policy needs no inline styles.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting, syntaxTree } from '@codemirror/language';
import { linter, lintKeymap, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { Compartment, EditorState, Prec } from '@codemirror/state';
import { EditorView, highlightSpecialChars, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { newCompleteStrategy, PromQLExtension, type CompleteStrategy, type PrometheusClient } from '@prometheus-io/codemirror-promql';
import { functionIdentifierTerms } from '@prometheus-io/codemirror-promql/dist/esm/complete/promql.terms';
import { getFunction } from '@prometheus-io/codemirror-promql/dist/esm/types/function';
import type { SyntaxNode } from '@lezer/common';
import { ApiError } from '../api';
import { more } from '../api_more';
import { labelName, quote } from '../model/labels';
import { problemOf, type Problem } from '../model/problem';
import { searchMatcher } from '../model/search';

const MOST = 500;
let cut = false; // the last list of names was not whole: ask again as the person types on

interface Wanted { type: string; name: string; value: string; matchesEmpty?(): boolean }

function match(metric: string | undefined, matchers: readonly Wanted[] | undefined, without?: string): string[] {
  const inside = (matchers ?? []).filter((m) => m.name !== without && m.value !== '')
    .map((m) => `${labelName(m.name)}${OPERATORS[m.type] ?? '='}${quote(m.value)}`);
  if (metric) inside.unshift(`__name__=${quote(metric)}`);
  return inside.length ? [`{${inside.join(',')}}`] : [];
}

const OPERATORS: Record<string, string> = { EqlSingle: '=', Neq: '!=', EqlRegex: '=~', NeqRegex: '!~' };

async function names(load: Promise<{ data: string[] }>): Promise<string[]> {
  try {
    const { data } = await load;
    cut = data.length >= MOST;
    return data;
  } catch {
    return []; // completion that fails is silent; the query's own error is not
  }
}

const client: PrometheusClient = {
  labelNames: (metric) => names(more.labels(match(metric, undefined))),
  labelValues: (label, metric, matchers) => names(more.labelValues(label, match(metric, matchers as unknown as Wanted[], label), MOST)),
  metricNames: (prefix) => names(more.labelValues('__name__', prefix ? [searchMatcher(prefix)] : [], MOST)),
  metricMetadata: () => more.metadata(undefined, 2000).then((a) => a.data, () => ({})),
  series: (metric, matchers) => more.series(match(metric, matchers as unknown as Wanted[]), Date.now() / 1000 - 3600, Date.now() / 1000, MOST)
    .then((a) => a.data.map((labels) => new Map(Object.entries(labels))), () => []),
  flags: () => more.flags().then((a) => a.data, () => ({})),
};

/** The library's completion, asked again while its list of names is cut. */
function completion(): CompleteStrategy {
  const inner = newCompleteStrategy({ remote: client, maxMetricsMetadata: 2000 });
  return {
    promQL: async (context) => {
      const found = await inner.promQL(context);
      return found && cut ? { ...found, validFor: undefined } : found;
    },
  };
}

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: 'var(--code-keyword)' },
  { tag: tags.function(tags.variableName), color: 'var(--code-function)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--code-string)' },
  { tag: [tags.number, tags.literal], color: 'var(--code-number)' },
  { tag: tags.labelName, color: 'var(--code-label)' },
  { tag: tags.comment, color: 'var(--text-3)', fontStyle: 'italic' },
  { tag: tags.invalid, color: 'var(--firing)' },
]);

const look = EditorView.theme({
  '&': { fontSize: '13px', color: 'var(--text)', backgroundColor: 'transparent', minHeight: '32px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '20px' },
  '.cm-content': { padding: '6px 0', caretColor: 'var(--text)' },
  '.cm-line': { padding: '0 8px' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-placeholder': { color: 'var(--text-3)' },
  '.cm-matchingBracket, &.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--pick)', outline: '1px solid var(--edge)' },
  '.cm-selectionBackground, &.cm-focused .cm-selectionBackground, ::selection': { backgroundColor: 'var(--pick) !important' },
  '.cm-tooltip': { backgroundColor: 'var(--s2)', color: 'var(--text)', border: '1px solid var(--line)', borderRadius: '6px', boxShadow: 'var(--shadow)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '13px', maxHeight: '264px' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '2px 8px', lineHeight: '20px' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--pick)', color: 'var(--text)' },
  '.cm-completionDetail': { color: 'var(--text-3)', fontStyle: 'normal', marginLeft: '12px' },
  '.cm-completionInfo': { padding: '8px', maxWidth: '360px', fontFamily: 'var(--sans)' },
  '.cm-completionIcon': { display: 'none' },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '600' },
  '.cm-diagnostic': { padding: '4px 8px', fontSize: '13px' },
  '.cm-diagnostic-error': { borderLeft: '3px solid var(--firing)' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--firing) 1px', textUnderlineOffset: '3px' },
});

/** "rate(range vector) → instant vector: …" for the innermost call around the cursor, or ''. */
function signature(state: EditorState): string {
  const at = state.selection.main.head;
  for (let node: SyntaxNode | null = syntaxTree(state).resolveInner(at, -1); node; node = node.parent) {
    if (node.name !== 'FunctionCall') continue;
    const term = node.getChild('FunctionIdentifier')?.firstChild;
    if (!term) return '';
    try {
      const f = getFunction(term.type.id);
      const words: Record<string, string> = { vector: 'instant vector', matrix: 'range vector', scalar: 'number', string: 'text', none: 'nothing' };
      const args = f.argTypes.map((t, i) => (f.variadic > 0 && i >= f.argTypes.length - f.variadic ? `[${words[t]}]` : words[t]!));
      const info = functionIdentifierTerms.find((t) => t.label === f.name)?.info;
      return `${f.name}(${args.join(', ')}${f.variadic < 0 ? ', …' : ''}) → ${words[f.returnType]}${info ? `: ${info}` : ''}`;
    } catch {
      return '';
    }
  }
  return '';
}

/** What the server's parser stumbled over, at the word where it did. */
function squiggle(state: EditorState, problem: Problem | undefined): Diagnostic[] {
  if (!problem || problem.line < 1 || problem.line > state.doc.lines) return [];
  const line = state.doc.line(problem.line);
  const from = Math.min(line.from + Math.max(0, problem.column - 1), line.to);
  const word = /^[\w:.]+/.exec(state.sliceDoc(from, line.to));
  const to = Math.min(from + Math.max(1, word?.[0].length ?? 1), state.doc.length);
  return [{ from: to === from ? Math.max(0, from - 1) : from, to, severity: 'error', message: problem.text, source: 'server' }];
}

/** Asks the server's parser when the typing rests. What stands at the cursor or behind it is not finished, so not wrong. */
async function judge(view: EditorView): Promise<Diagnostic[]> {
  const { state } = view;
  if (state.doc.toString().trim() === '') return [];
  try {
    await more.format(state.doc.toString());
    return [];
  } catch (error) {
    const found = squiggle(state, error instanceof ApiError ? problemOf(error) : undefined);
    return view.hasFocus ? found.filter((d) => d.to < state.selection.main.head) : found;
  }
}

export interface EditorHandle {
  set: (text: string) => void;
  focus: () => void;
  mark: (problem: Problem | undefined) => void;
  close: () => void;
}

export interface EditorWishes {
  text: string;
  label: string;
  onText: (text: string) => void;
  onRun: () => void;
  onHint: (text: string) => void;
}

export function openEditor(host: HTMLElement, wishes: EditorWishes): EditorHandle {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const parent = document.createElement('div');
  root.replaceChildren(parent);
  const promql = new PromQLExtension().activateLinter(false).setComplete({ completeStrategy: completion() });
  const run = () => {
    wishes.onRun();
    return true;
  };
  let quiet = false;
  const told = new Set<string>(); // what was typed and has not come back as the page's text yet
  const attributes = new Compartment();
  const view = new EditorView({
    parent, root,
    state: EditorState.create({
      doc: wishes.text,
      extensions: [
        Prec.highest(keymap.of([
          { key: 'Mod-Enter', run }, { key: 'Shift-Enter', run },
        ])),
        history(), closeBrackets(), bracketMatching(), highlightSpecialChars(), autocompletion({ maxRenderedOptions: 50, icons: false }),
        promql.asExtension(), linter(judge, { delay: 600 }), syntaxHighlighting(colours), look, EditorView.lineWrapping, placeholder('A query, such as rate(node_cpu_seconds_total[5m])'),
        attributes.of(EditorView.contentAttributes.of({ 'aria-label': wishes.label, spellcheck: 'false', autocapitalize: 'off' })),
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...lintKeymap,
          { key: 'Enter', run: insertNewlineAndIndent }, ...defaultKeymap.filter((k) => k.key !== 'Mod-Enter')]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged && !quiet) {
            const text = update.state.doc.toString();
            told.add(text);
            wishes.onText(text);
          }
          if (update.selectionSet || update.docChanged) wishes.onHint(signature(update.state));
        }),
      ],
    }),
  });
  return {
    set: (text) => {
      // The page may be some keys behind the person: an echo must not take back what was typed since.
      const known = text === view.state.doc.toString();
      if (!known && told.has(text)) return;
      told.clear();
      if (known) return;
      quiet = true;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      quiet = false;
    },
    focus: () => view.focus(),
    mark: (problem) => view.dispatch(setDiagnostics(view.state, squiggle(view.state, problem))),
    close: () => {
      view.destroy();
      promql.destroy();
    },
  };
}
