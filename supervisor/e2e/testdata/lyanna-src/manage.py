"""Commands for the administrator."""
import click
from tortoise import Tortoise, run_async
from tortoise.exceptions import IntegrityError

from ext import init_db
from models import User, digest


@click.group()
def cli():
    pass


@cli.command()
def initdb():
    """Drops the database and makes it anew."""

    async def run():
        await init_db()
        await Tortoise._drop_databases()
        await init_db(create_db=True)
        await Tortoise.generate_schemas()
        await Tortoise.get_connection("default").execute_script("alter table posts add index idx_slug (slug)")

    run_async(run())
    click.echo("Init Finished!")


@cli.command()
@click.option("--name", required=True, prompt=True)
@click.option("--email", default=None, prompt=True)
@click.option("--password", required=True, prompt=True, hide_input=True, confirmation_prompt=True)
def adduser(name, email, password):
    """Adds a user."""

    async def run():
        await init_db()
        try:
            user = await User.create(name=name, email=email, password=digest(password))
        except IntegrityError as e:
            click.echo(str(e))
        else:
            click.echo(f"User {user.name} created, ID {user.id}")

    run_async(run())


if __name__ == "__main__":
    cli()
