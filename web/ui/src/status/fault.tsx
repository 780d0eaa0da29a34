/** What the page shows where a part of it failed: which, and what to do; the other parts go on. */

import { Component, type ComponentChildren } from "preact";

interface Properties {
  /** The part, as people call it: `The pictures`. */
  readonly part: string;
  readonly children: ComponentChildren;
}

export class Fault extends Component<Properties, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  override componentDidCatch(error: Error): void {
    console.error(error);
    this.setState({ error });
  }

  render() {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <p class="fault" role="alert">
        {this.props.part} failed: {error.message}.{" "}
        <button type="button" class="button" onClick={() => this.setState({ error: null })}>
          Try again
        </button>{" "}
        If it stays so, load the page again.
      </p>
    );
  }
}
