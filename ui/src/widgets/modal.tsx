// A native modal dialog: focus stays inside, Esc and a click beside it close it.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

export function Modal({ open, onClose, label, class: name, children }: {
  open: boolean; onClose: () => void; label: string; class?: string; children: ComponentChildren;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current!;
    if (open && !dialog.open) dialog.showModal();
    if (!open && dialog.open) dialog.close();
  }, [open]);
  return (
    <dialog ref={ref} class={name} aria-label={label} onClose={onClose} onClick={(e) => e.target === ref.current && onClose()}>
      {open && <div class="modal-body">{children}</div>}
    </dialog>
  );
}
